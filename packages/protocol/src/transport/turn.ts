let due: (() => void)[] = [];
let scheduled = false;

/**
 * Runs `act` once, at the end of this turn of the event loop, after everything that the turn brought. One timer of the loop
 * serves the whole process.
 */
export function atTurnEnd(act: () => void): void {
  due.push(act);
  if (scheduled) return;
  scheduled = true;
  setImmediate(run);
}

function run(): void {
  scheduled = false;
  const acts = due;
  due = [];
  for (const act of acts) {
    try {
      act();
    } catch (error) {
      // A fault here must not keep back what others send; it is one nevertheless.
      process.nextTick(() => {
        throw error;
      });
    }
  }
}
