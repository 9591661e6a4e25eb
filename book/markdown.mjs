// markdown.mjs - the kit's Markdown, as it is, to HTML with links that stay in the book.
//
// What becomes a link:
//   [text](FILE)             the page of that file of the kit
//   `ept.h` `guests/a.c`     its page
//   `ept_map()`              where its contract stands
//   *A slide's title*        that slide, of the lab's own deck or of the opening one
// What becomes a place to link to: headings, a step ("step-3"), a check ("check-ID").
import { posix } from 'node:path';
import hljs from 'highlight.js';
import MarkdownIt from 'markdown-it';
import anchor from 'markdown-it-anchor';
import { kitHas, slideFind } from './kit.mjs';

export const escape = (s) => s.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')
  .replace(/"/g, '&quot;');

/* As GitHub does it, so that the links in the Markdown work in both places. */
export const slug = (s) => s.trim().toLowerCase().replace(/[^\w\- ]/g, '').replace(/ /g, '-');

export function codeColour(text, language) {
  return hljs.getLanguage(language) ? hljs.highlight(text, { language }).value : escape(text);
}

/* From one page of the book to another. */
export function relative(from, to) {
  const [path, hash] = to.split('#');
  const way = posix.relative(posix.dirname(from), path) || posix.basename(path);
  return hash === undefined ? way : `${way}#${hash}`;
}

// --- links -------------------------------------------------------------------------------------------

/* env: {kit, pages (file of the kit -> page), file, page, lab}; null: not in the book. */
function hrefFind(env, href) {
  if (/^(https?:|#)/.test(href)) return href;
  const [path, hash] = href.split('#');
  const file = posix.normalize(posix.join(posix.dirname(env.file), path)).replace(/\/$/, '');
  if (!kitHas(file)) throw new Error(`${env.file}: there is no ${href}`);
  const page = env.pages.get(file);
  return page ? relative(env.page, page + (hash ? `#${hash}` : '')) : null;
}

function codeTarget(env, text) {
  const file = [text, `common/include/${text}`, env.lab && `labs/${env.lab.name}/${text}`]
    .find((name) => name && env.pages.has(name));
  if (file) return env.pages.get(file);
  const name = text.match(/^(\w+)\(\)$/)?.[1];
  const header = name && env.kit.headers.find((h) => h.functions.some((f) => f.name === name));
  return header ? `${env.pages.get(`common/include/${header.file}`)}#${name}` : null;
}

function codeRender(tokens, at, _, env) {
  const text = tokens[at].content;
  const target = env.linked ? null : codeTarget(env, text);
  const check = env.lab?.checks.find((c) => c.id === text);
  const first = check && !env.checksSeen.has(text);
  if (first) env.checksSeen.add(text);
  const code = `<code${first ? ` id="check-${text}"` : ''}>${escape(text)}</code>`;
  return target && target !== env.page
    ? `<a class="code" href="${relative(env.page, target)}">${code}</a>` : code;
}

/* Inside an <a> nothing else becomes one; a link out of the book keeps only its text. */
function linkOpen(tokens, at, options, env, self) {
  const href = hrefFind(env, tokens[at].attrGet('href'));
  env.linked = true;
  env.linkTag = href === null ? 'span' : 'a';
  if (href === null)
    return `<span class="in-kit" title="in the kit: ${escape(tokens[at].attrGet('href'))}">`;
  tokens[at].attrSet('href', href);
  return self.renderToken(tokens, at, options);
}

function linkClose(_, __, ___, env) {
  env.linked = false;
  return `</${env.linkTag}>`;
}

/* *Title* or **Title**: a slide's name. */
function slideOpen(tokens, at, options, env, self) {
  const close = tokens.slice(at).find((t) => t.type === tokens[at].type.replace('open', 'close'));
  const inside = tokens.slice(at + 1, tokens.indexOf(close));
  const title = inside.map((t) => (t.type === 'softbreak' ? ' ' : t.content)).join('').replace(/[.:,]$/, '');
  const target = env.lab && !env.linked && title && slideFind(env.kit.decks, env.lab.name, title);
  const html = self.renderToken(tokens, at, options);
  if (!target) return html;
  close.meta = { slide: true };
  return `<a class="slide" href="${relative(env.page, target)}">${html}`;
}

function slideClose(tokens, at, options, _, self) {
  const html = self.renderToken(tokens, at, options);
  return tokens[at].meta?.slide ? `${html}</a>` : html;
}

// --- steps -------------------------------------------------------------------------------------------

/* The items of the numbered lists under "Steps" are places: checks send people there. */
function stepsMark(state) {
  let inSteps = false, depth = 0, number = 0;
  state.tokens.forEach((token, i) => {
    if (token.type === 'heading_open' && token.tag === 'h2')
      inSteps = state.tokens[i + 1].content === 'Steps';
    if (!inSteps) return;
    if (/_list_open$/.test(token.type) && ++depth === 1) number = Number(token.attrGet('start') ?? 1);
    if (/_list_close$/.test(token.type)) depth--;
    if (token.type === 'list_item_open' && depth === 1 && token.markup === '.')
      token.attrSet('id', `step-${number++}`);
  });
}

export function markdownMake() {
  const md = new MarkdownIt({ html: true, linkify: false, highlight: codeColour })
    .use(anchor, { slugify: slug, permalink: anchor.permalink.linkInsideHeader({
      symbol: '#', class: 'here', placement: 'after', ariaHidden: true }) });
  md.core.ruler.push('steps', stepsMark);
  const rules = md.renderer.rules;
  const fence = rules.fence;
  rules.code_inline = codeRender;
  rules.link_open = (tokens, at, ...rest) =>
    (tokens[at].attrGet('class') === 'here' ? rest[2].renderToken(tokens, at, rest[0])
      : linkOpen(tokens, at, ...rest));
  rules.link_close = (tokens, at, ...rest) =>
    (rest[1].linkTag && rest[1].linked ? linkClose(tokens, at, ...rest) : '</a>');
  for (const name of ['em', 'strong']) {
    rules[`${name}_open`] = slideOpen;
    rules[`${name}_close`] = slideClose;
  }
  rules.table_open = () => '<div class="scroll" tabindex="0"><table>\n';
  rules.table_close = () => '</table></div>\n';
  rules.fence = (...a) => fence(...a).replace('<pre>', '<pre tabindex="0">');
  return md;
}
