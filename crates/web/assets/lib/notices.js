// Browser notifications about failures and prompts that appear while the page is hidden.

const STORE = 'tmo-notices';

/** Whether this browser can show notifications. In Chrome on Android, the constructor of the class throws. */
export const possible = 'Notification' in window && !/Android/.test(navigator.userAgent);

/** Whether the user has enabled notifications and the browser allows them. */
export function wanted() {
  return possible && localStorage.getItem(STORE) === 'on' && Notification.permission === 'granted';
}

/**
 * Turn notifications on or off. The browser may ask the user.
 * @param {boolean} isOn
 * @returns {Promise<boolean>} whether they are on now
 */
export async function want(isOn) {
  const isAllowed = isOn && possible && (await Notification.requestPermission()) === 'granted';
  localStorage.setItem(STORE, isAllowed ? 'on' : 'off');
  return isAllowed;
}

/** @typedef {{ text: string, open: () => void }} Notice */

/** Shows each notice once, and closes it when its reason is gone. */
export class Notices {
  constructor() {
    /** @type {Map<string, Notification | null>} */ this.shown = new Map();
  }

  /** Show new notices, and close those that are no longer in the map. @param {Map<string, Notice>} notices */
  update(notices) {
    for (const [key, notification] of this.shown) {
      if (notices.has(key)) continue;
      notification?.close();
      this.shown.delete(key);
    }
    for (const [key, notice] of notices) {
      // The user has already seen a notice that began while the page was visible.
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
