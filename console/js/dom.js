// Elements from data. Text is set as text and nothing is ever parsed as HTML, so data cannot become markup.

/** An element: properties that begin with `on` are listeners, `class`, `data-*`, `aria-*` and the like are attributes. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'value' || name === 'checked' || name === 'disabled') node[name] = value;
    else node.setAttribute(name, value === true ? '' : value);
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Replaces everything in `node`. */
export function fill(node, ...children) {
  node.replaceChildren();
  append(node, children);
  return node;
}

/** A table. `columns`: `{head, cell(row), number}`. It scrolls by itself where the screen is narrow. */
export function table(caption, columns, rows, rowProperties = () => ({})) {
  const head = columns.map((column) => el('th', { scope: 'col', class: column.number && 'number' }, column.head));
  const body = rows.map((row, n) =>
    el('tr', rowProperties(row, n), columns.map((column) => el('td', { class: column.number && 'number' }, column.cell(row, n)))));
  return el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    el('table', {}, el('caption', { class: 'hidden' }, caption), el('thead', {}, el('tr', {}, head)), el('tbody', {}, body)));
}

/** A section of a page with its heading and, at the right of it, `tools`. */
export function section(title, tools, ...children) {
  return el('section', {}, el('div', { class: 'head' }, el('h2', {}, title), el('div', { class: 'tools' }, tools)), children);
}

/** A labelled form field. */
export function field(label, input) {
  return el('label', { class: 'field' }, el('span', {}, label), input);
}

/** Names with their values. */
export function facts(pairs) {
  return el('dl', { class: 'facts' }, pairs.filter(Boolean).map(([name, value]) =>
    el('div', {}, el('dt', {}, name), el('dd', {}, value ?? '–'))));
}

/** A choice among `[value, label]` pairs. */
export function select(options, value, onchange, properties = {}) {
  const node = el('select', { onchange: () => onchange(node.value), ...properties },
    options.map(([option, label]) => el('option', { value: option }, label)));
  node.value = value;
  return node;
}
