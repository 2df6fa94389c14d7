let due: (() => void)[] = [];
let scheduled = false;

/**
 * Runs `act` once, at the end of this turn of the event loop. One immediate serves the whole process.
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
      // A fault here must not hold back what others send, but it is still reported.
      process.nextTick(() => {
        throw error;
      });
    }
  }
}
