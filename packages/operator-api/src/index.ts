export { EXPLANATION, type Explanation } from './explanation.js';
export { FLEET, type FleetAnswer, type LoadLine, type RunnerLine } from './fleet.js';
export { ANYTHING, type OfShape, readJson, type Shape } from './json-shape.js';
export { type FunctionLine, RUNNER, type RunnerAnswer } from './runner.js';
