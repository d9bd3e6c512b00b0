// Formats times and amounts.

const pad = (/** @type {number} */ number, width = 2) => String(number).padStart(width, '0');

/** `17:02:14` @param {Date} date */
export function clock(date) {
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** `2026-11-24 17:02:14.123` @param {Date} date */
export function full(date) {
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${clock(date)}.${pad(date.getMilliseconds(), 3)}`;
}

/** `22:08`, with its day if that is not today. @param {Date} date */
export function short(date) {
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? full(date).slice(11, 16) : full(date).slice(5, 16);
}

/** `2 h 14 m` @param {number} milliseconds */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} m`;
  return `${Math.floor(hours / 24)} d`;
}

/** `84 MiB`, in the units of `tmo ps` @param {number} count */
export function bytes(count) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  while (count >= 1000 && at < units.length - 1) {
    count /= 1024;
    at += 1;
  }
  return `${at && count < 10 ? count.toFixed(1) : Math.round(count)} ${units[at]}`;
}

/** Nanoseconds since the epoch as milliseconds. @param {number} nanoseconds */
export const ms = (nanoseconds) => nanoseconds / 1e6;

/** How far the host's clock is ahead of the browser's, in milliseconds. */
let skew = 0;

/** Set how far the host's clock is ahead. @param {number} [milliseconds] */
export function setSkew(milliseconds) {
  skew = Number.isFinite(milliseconds) ? Number(milliseconds) : 0;
}

/** The time of the host's clock, in milliseconds. */
export const hostTime = () => Date.now() + skew;
