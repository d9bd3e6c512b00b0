// Work that is repeated while the page can be seen.

/**
 * Call a function each second, and at once when the page is seen again, until the returned function is called.
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
