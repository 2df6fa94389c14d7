/**
 * @typedef {(() => unknown)[]} CleanUp what a measurement pushes here runs at its end, the last first
 */

/**
 * Runs a measurement and cleans up after it, however it ends.
 * @template Result
 * @param {(undo: CleanUp) => Promise<Result>} run
 */
export async function withCleanUp(run) {
  /** @type {CleanUp} */
  const undo = [];
  try {
    return await run(undo);
  } finally {
    for (const step of undo.reverse()) await step();
  }
}
