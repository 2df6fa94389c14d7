const fdk = require('@fnproject/fdk');

// Runs once for each call. `input` is the body, as an object when it is JSON.
fdk.handle((input, context) => {
  const { GREETING = 'Hello' } = context.config; // `config` of func.yaml and of the app
  const name = input?.name ?? 'world';
  console.log(`greeting ${name}`); // fnfleet logs shows it
  return { message: `${GREETING}, ${name}!` };
});
