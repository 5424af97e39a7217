// Texts in the language of the person: Chinese, or English.

import { words } from './words.js';
import { remembered, remember } from './session.js';

const languages = ['zh', 'en'];
let column = Math.max(0, languages.indexOf(remembered('language')));

/** `zh` or `en`. */
export const language = () => languages[column];

/** Changes the language of texts that are made from now on. */
export function setLanguage(name) {
  column = Math.max(0, languages.indexOf(name));
  remember('language', language());
  document.documentElement.lang = column === 0 ? 'zh-CN' : 'en';
}

/** The text named `name`, with `{x}` replaced by `values.x`. Names without a text stand for themselves. */
export function t(name, values = {}) {
  const text = words[name]?.[column] ?? name;
  return text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? '');
}

/** The text of a closed set's member, such as `source.personal`; the bare name if it is new. */
export const term = (set, name) => (words[`${set}.${name}`] ? t(`${set}.${name}`) : name);

const locale = () => (column === 0 ? 'zh-CN' : 'en-GB');

/** A number with its thousands separated, at most `digits` decimals. */
export const number = (value, digits = 0) =>
  (Number.isFinite(value) ? value.toLocaleString(locale(), { maximumFractionDigits: digits }) : '–');

/** A share of one as percent. */
export const percent = (value, digits = 1) => (Number.isFinite(value) ? `${(100 * value).toFixed(digits)}%` : '–');

/** Money in the shop's currency. */
export const money = (value) =>
  (value === undefined || value === null ? '–' : value.toLocaleString(locale(), { minimumFractionDigits: 2, maximumFractionDigits: 2 }));

/** A moment of the API as date and time of this place. */
export function moment(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? '–' : at.toLocaleString(locale(), { dateStyle: 'short', timeStyle: 'medium', hour12: false });
}

/** Its date alone. */
export function day(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? '–' : at.toLocaleDateString(locale());
}
