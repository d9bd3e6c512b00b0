// A crash as Markdown, for an issue or a message.

import { clock, full, span } from '../lib/time.js';
import { plain } from '../log/rows.js';
import { sentence } from './report.js';

/** A fence that is longer than any in the text. @param {string} text */
function block(text) {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}text\n${text}\n${fence}`;
}

/** Text in a line, without what Markdown would take for its own. @param {string} text */
const escaped = (text) => text.replace(/[\\`*_[\]<>#|]/g, '\\$&');

/** @param {import('./report.js').Crash} crash */
export function markdown({ report, around }) {
  const { tmo } = report;
  const causes = tmo.cause.map((/** @type {any} */ cause) => {
    const place = cause.place ? `, in \`${cause.place}\`` : '';
    return `- ${escaped(cause.text)} (${cause.certainty})${place}`;
  });
  const width = Math.max(3, ...around.map((line) => (line.name ?? '').length));
  const lines = around.map((line) => {
    if (line.left !== undefined) return `… ${line.left} more lines of ${line.name} …`;
    return `${clock(new Date(line.time))} ${(line.name ?? 'tmo').padEnd(width)} | ${plain(line)}`;
  });
  return [
    `## ${escaped(sentence(report))}`,
    `${full(new Date(report.timestamp))}, after ${span(tmo.uptime_ms)}, life ${tmo.life}. Command: \`${[report.command, ...(report.args ?? [])].join(' ')}\``,
    causes.join('\n'),
    report.lastLogs.length ? `Its last lines:\n\n${block(report.lastLogs.join('\n'))}` : '',
    `What all processes printed around it:\n\n${block(lines.join('\n'))}`,
  ].filter(Boolean).join('\n\n').concat('\n');
}
