// Lets xterm.js work under a policy that forbids inline styles.
//
// It creates <style> elements and sets `style` attributes. Here, the elements become style sheets of the document, and
// the attributes are set through the CSSOM. The policy allows both, as neither can come from markup.

const make = document.createElement;

/** A stand-in for a <style> element: its text becomes a style sheet. */
function sheet() {
  const element = make.call(document, 'span');
  const rules = new CSSStyleSheet();
  let text = '';
  element.hidden = true;
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, rules];
  Object.defineProperty(element, 'textContent', {
    get: () => text,
    set: (value) => {
      text = value;
      rules.replaceSync(value);
    },
  });
  const remove = element.remove.bind(element);
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== rules);
    remove();
  };
  return element;
}

/** @param {string} tag @param {any} [options] */
function create(tag, options) {
  return tag.toLowerCase() === 'style' ? sheet() : make.call(document, tag, options);
}

/** The document, for xterm.js. */
export const documentForTerminal = new Proxy(document, {
  get(target, name) {
    if (name === 'createElement') return create;
    const value = Reflect.get(target, name, target);
    return typeof value === 'function' ? value.bind(target) : value;
  },
});

/** Do some work while the real document creates such stand-ins too. @param {() => void} work */
export function withStandIns(work) {
  Object.defineProperty(document, 'createElement', { value: create, configurable: true });
  try {
    work();
  } finally {
    Reflect.deleteProperty(document, 'createElement');
  }
}

const setAttribute = Element.prototype.setAttribute;
HTMLSpanElement.prototype.setAttribute = function set(name, value) {
  if (name === 'style') this.style.cssText = value;
  else setAttribute.call(this, name, value);
};
