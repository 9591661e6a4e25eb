// search-data.mjs - what the search knows: a record for each section, slide and function.
//
// A script rather than JSON: a page opened from a folder may load scripts, but not fetch.
import { slug } from './markdown.mjs';

const plain = (s) => s.replace(/<[^>]*>/g, ' ').replace(/[`*|>#]/g, ' ').replace(/\s+/g, ' ').trim();

function sectionsOf(page) {
  const parts = page.text.split(/^(?=#{1,3} )/m);
  return parts.filter((part) => part.trim()).map((part) => {
    const heading = plain(part.match(/^#{1,3} (.*)$/m)?.[1] ?? page.title);
    const first = /^# /.test(part);
    return { url: first ? page.page : `${page.page}#${slug(heading)}`,
      title: heading, where: first ? '' : page.title, text: plain(part.replace(/^#.*$/m, '')) };
  });
}

const slidesOf = (deck) => deck.slides.map((slide, i) => ({ url: `slides/${deck.name}.html#${i + 1}`,
  title: slide.title, where: `Slides ${deck.name.slice(0, 2)}, ${deck.title}`, text: plain(slide.text) }));

const functionsOf = (page) => [{ url: page.page, title: page.title, where: page.file, text: '' },
  ...page.functions.map((f) => ({ url: `${page.page}#${f.name}`, title: `${f.name}()`,
    where: page.file, text: plain(f.comment.replace(/\/\*|\*\//g, ' ')) }))];

export function searchData(kit, pages) {
  const records = [
    ...pages.filter((p) => p.text).flatMap(sectionsOf),
    ...kit.decks.flatMap(slidesOf),
    ...pages.filter((p) => p.functions).flatMap(functionsOf),
  ].map((record, id) => ({ id, ...record }));
  return `window.bookRecords = ${JSON.stringify(records)};\n`;
}
