// Elements are made here and filled with text, never with markup: what a database holds is a stranger's.

/** el makes an element. Of props, class is its class, on… is a listener, and the rest are attributes. */
export function el(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
    else e.setAttribute(name === 'class' ? 'class' : name, value === true ? '' : value);
  }
  e.append(...children.filter((child) => child !== undefined && child !== null));
  return e;
}

/** one is the element that a selector finds. */
export const one = (selector, within = document) => within.querySelector(selector);

/** count is a number with its noun. */
export const count = (n, noun) => `${n} ${noun}${n === 1 ? '' : 's'}`;

/** sentence is text that begins and ends like one. */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.?!]$/.test(text) ? '' : '.');

/** block is text as it is, which scrolls where it is too wide. */
export const block = (label, text, className = '') =>
  el('pre', { class: className || undefined, tabindex: '0', role: 'group', 'aria-label': label }, text);

/** copy puts text onto the clipboard and says so on the button for a moment. */
export async function copy(button, text) {
  const label = button.firstChild;
  const before = label.data;
  try {
    await navigator.clipboard.writeText(text);
    label.data = 'Copied';
  } catch {
    label.data = 'Select it';
  }
  one('#copied').textContent = label.data === 'Copied' ? 'Copied.' : 'The browser refused: select the text.';
  setTimeout(() => (label.data = before), 1500);
}
