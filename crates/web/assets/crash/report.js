// A crash report, with the output of all processes around the crash.

import { get, query } from '../lib/api.js';
import { run } from '../lib/store.js';
import { bytes } from '../lib/time.js';
import { fold } from '../log/fold.js';
import { isShown } from '../log/rows.js';

/** How much time before the end is shown, and at most how many lines. */
const BEFORE = { milliseconds: 5000, lines: 1000 };
const AFTER = { milliseconds: 1000, lines: 250 };

/**
 * @typedef {{ id: string, report: any, around: (any | import('../log/fold.js').Gap)[], leftOut: string, end: string | null }} Crash
 *   `leftOut` describes the output of that time that is not shown
 */

/** Whether a line contains the cause, which the card shows at its top. @param {any} line */
const isAboutCause = (line) => ['crash', 'crash-report'].includes(line.event);

/** The id of a report by its file. @param {string | null | undefined} file */
export function reportId(file) {
  return file ? file.replace(/^.*\//, '').replace(/\.json$/, '') : null;
}

/** @param {string} id @returns {Promise<Crash>} */
export async function loadCrash(id) {
  const report = await get(`/r/${run.id}/api/crashes/${encodeURIComponent(id)}`);
  const { lines, leftOut } = await around(report);
  const end = lines.find((line) => line.event === 'exit' && line.name === report.processName) ?? lines.at(-1);
  return { id, report, around: fold(lines.filter((line) => isShown(line) && !isAboutCause(line)), (line) => line.name === report.processName), leftOut, end: end?.cursor ?? null };
}

/**
 * The output of all processes around the end: from the log or, if the log no longer has it, from the report.
 * @param {any} report @returns {Promise<{ lines: any[], leftOut: string }>}
 */
async function around(report) {
  const end = Date.parse(report.timestamp);
  const time = (/** @type {number} */ milliseconds) => new Date(end + milliseconds).toISOString();
  const read = (/** @type {object} */ values) => get(`/r/${run.id}/api/lines${query({ styles: true, ...values })}`);
  const above = await read({ since: time(-BEFORE.milliseconds), until: time(0), before: 'end', limit: BEFORE.lines });
  const below = await read({ since: time(0), until: time(AFTER.milliseconds), limit: AFTER.lines });
  const lines = [...above.lines, ...below.lines];
  const isThere = lines.some((/** @type {any} */ line) => line.name === report.processName && line.life === report.tmo.life);
  if (isThere) {
    const leftOut = above.more || below.more ? `Only the nearest ${lines.length.toLocaleString('en')} lines; the log has the others.` : '';
    return { lines, leftOut };
  }
  const { slice, slice_left_out: left } = report.tmo;
  const kept = slice.map((/** @type {any} */ entry) => ({ ...entry, name: entry.process }));
  return { lines: kept, leftOut: left ? `${bytes(left)} of that time are not in the report.` : '' };
}

/** The cause as a sentence. @param {any} report */
export function sentence(report) {
  const cause = report.tmo.cause[0]?.text;
  return `${report.processName} ${endOf(report)}${cause ? `: ${cause}` : ''}`;
}

/** How a process ended. @param {{ exitCode?: number | null, signal?: string | null }} report */
export function endOf({ exitCode, signal }) {
  if (signal) return `was ended by ${signal}`;
  return exitCode === null || exitCode === undefined ? 'failed' : `exited with code ${exitCode}`;
}
