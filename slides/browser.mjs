// browser.mjs - where is a Chromium?
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

function executable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/* CHROME_PATH if it is set, else the first of its usual names in PATH; or null. */
export function browserFind() {
  if (process.env.CHROME_PATH)
    return executable(process.env.CHROME_PATH) ? process.env.CHROME_PATH : null;
  for (const name of names)
    for (const folder of (process.env.PATH ?? '').split(delimiter))
      if (folder && executable(join(folder, name))) return join(folder, name);
  return null;
}
