/** Waits for a condition that no event announces; fails loudly when it does not come true in time. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 10_000,
): Promise<void> {
  const untilMs = performance.now() + deadlineMs
  while (!(await condition())) {
    if (performance.now() > untilMs) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
