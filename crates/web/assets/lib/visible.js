// Repeats work while the page is visible.

/**
 * Call a function each second while the page is visible, and at once when it becomes visible, until the returned function is called.
 * @param {() => void} work
 */
export function everySecond(work) {
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  const begin = () => {
    clearInterval(timer);
    if (document.hidden) return;
    timer = setInterval(work, 1000);
    work();
  };
  document.addEventListener('visibilitychange', begin);
  begin();
  return () => {
    clearInterval(timer);
    document.removeEventListener('visibilitychange', begin);
  };
}
