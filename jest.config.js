/** Tests run on what `tsc --build` made, so that they test the very code that ships and need no transform. */
const base = { testEnvironment: 'node', transform: {}, injectGlobals: true };

module.exports = {
  reporters: ['default', '<rootDir>/scripts/closing-lines-reporter.js'],
  projects: [
    {
      ...base,
      displayName: 'packages',
      rootDir: __dirname,
      roots: ['<rootDir>/packages'],
      testMatch: ['<rootDir>/packages/*/dist/**/*.test.js'],
    },
    {
      ...base,
      displayName: 'e2e',
      rootDir: __dirname,
      roots: ['<rootDir>/e2e'],
      testMatch: ['<rootDir>/e2e/dist/**/*.test.js'],
    },
  ],
  testTimeout: 20_000,
};
