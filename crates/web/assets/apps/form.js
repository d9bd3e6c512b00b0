// The dialogs that upload an app or update it.

import { h, setText } from '../lib/dom.js';
import { dialog } from '../views/dialog.js';
import { LARGEST, sendApp } from './upload.js';

/** The warning in each upload dialog. */
const WARNING = 'tmo runs the code of this archive as you, on this machine. Upload only what you trust.';

/** @param {string} label @param {Record<string, any>} props */
function field(label, props) {
  const input = /** @type {HTMLInputElement} */ (h('input', { class: 'field', spellcheck: 'false', autocomplete: 'off', ...props }));
  return { input, element: h('label', {}, h('span', { text: label }), input) };
}

/** Split a text at its commas into arguments. @param {string} text */
export function argumentsIn(text) {
  return text.split(',').map((word) => word.trim()).filter(Boolean);
}

/**
 * Open a form with a file input, a progress bar, and a place for the reason of a refusal.
 * @param {string} title @param {string} action @param {Node[]} fields
 * @param {FileList | null} files the dropped files
 * @param {(file: File, onprogress: (part: number) => void) => Promise<any>} send
 * @param {(answer: any) => void} done
 */
function form(title, action, fields, files, send, done) {
  const zip = field('ZIP archive, up to 50 MiB', { type: 'file', accept: '.zip,application/zip', required: true });
  if (files?.length) zip.input.files = files;
  const bar = /** @type {HTMLProgressElement} */ (h('progress', { max: '1', value: '0', hidden: true, 'aria-label': 'Sent' }));
  const problem = h('p', { class: 'kind-bad', role: 'alert' });
  const submit = h('button', { type: 'submit', text: action });
  let isSending = false;
  const go = async (/** @type {() => void} */ close) => {
    const file = zip.input.files?.[0];
    if (!file || isSending) return;
    if (file.size > LARGEST) {
      setText(problem, 'The archive is larger than 50 MiB.');
      return;
    }
    isSending = true;
    submit.setAttribute('aria-disabled', 'true');
    setText(problem, '');
    bar.hidden = false;
    try {
      const answer = await send(file, (part) => { bar.value = part; });
      close();
      done(answer);
    } catch (error) {
      setText(problem, /** @type {Error} */ (error).message);
      bar.hidden = true;
    }
    isSending = false;
    submit.removeAttribute('aria-disabled');
  };
  return dialog(title, (close) => [
    h('form', { class: 'app-form', onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); go(close); } },
      ...fields, zip.element,
      h('p', { class: 'warning', text: `⚠ ${WARNING}` }), bar, problem,
      h('footer', {}, h('button', { type: 'button', text: 'Cancel', onclick: close }), submit)),
  ]);
}

/** @param {FileList | null} files @param {(answer: any) => void} done */
export function addApp(files, done) {
  const dropped = files?.[0]?.name.replace(/\.zip$/i, '').replace(/[^A-Za-z0-9 _-]+/g, '-') ?? '';
  const name = field('Name', { type: 'text', required: true, maxlength: '100', pattern: '[A-Za-z0-9 _\\-]+', value: dropped, title: 'letters, digits, blanks, _ and -' });
  const script = field('Script, as it is called in the archive', { type: 'text', required: true, value: 'main.py' });
  const args = field('Arguments, separated by commas', { type: 'text' });
  const start = field('Start automatically', { type: 'checkbox', class: '', checked: true });
  start.element.className = 'check';
  const send = (/** @type {File} */ file, /** @type {(part: number) => void} */ onprogress) => sendApp(
    name.input.value.trim(), file,
    { script: script.input.value.trim(), arg: argumentsIn(args.input.value), start: start.input.checked ? undefined : 'false' },
    onprogress);
  form('Upload an app', 'Upload', [name.element, script.element, args.element, start.element], files, send, done);
  name.input.focus();
}

/** @param {string} name @param {(answer: any) => void} done */
export function updateApp(name, done) {
  const fields = [h('p', { text: `This replaces all files of ${name} and installs it again. Its settings stay.` })];
  form(`Update ${name}`, 'Update', fields, null, (file, onprogress) => sendApp(name, file, { update: '1' }, onprogress), done);
}
