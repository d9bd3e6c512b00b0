// Notifications of the browser, about failures and prompts that come while the page can't be seen.

const STORE = 'tmo-notices';

/** Whether this browser can show them. Chrome on Android has the class, but its constructor throws. */
export const possible = 'Notification' in window && !/Android/.test(navigator.userAgent);

/** Whether the user wants them, and the browser allows them. */
export function wanted() {
  return possible && localStorage.getItem(STORE) === 'on' && Notification.permission === 'granted';
}

/**
 * Turn them on or off. The browser may ask the user.
 * @param {boolean} isOn
 * @returns {Promise<boolean>} whether they are on now
 */
export async function want(isOn) {
  const isAllowed = isOn && possible && (await Notification.requestPermission()) === 'granted';
  localStorage.setItem(STORE, isAllowed ? 'on' : 'off');
  return isAllowed;
}

/** @typedef {{ text: string, open: () => void }} Notice */

/** Shows each notice once, for as long as it lasts. */
export class Notices {
  constructor() {
    /** @type {Map<string, Notification | null>} */ this.shown = new Map();
  }

  /** Show what is new; notices that are no longer there are closed. @param {Map<string, Notice>} notices */
  update(notices) {
    for (const [key, notification] of this.shown) {
      if (notices.has(key)) continue;
      notification?.close();
      this.shown.delete(key);
    }
    for (const [key, notice] of notices) {
      // What began while the page could be seen is known.
      if (!this.shown.has(key)) this.shown.set(key, document.hidden && wanted() ? show(key, notice) : null);
    }
  }
}

/** @param {string} key @param {Notice} notice */
function show(key, { text, open }) {
  const notification = new Notification(text, { tag: key });
  notification.onclick = () => {
    window.focus();
    notification.close();
    open();
  };
  return notification;
}
