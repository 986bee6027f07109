// The package beside the page, as other pages would have it, at a place of its origin where nothing else runs.
import { fileURLToPath } from 'node:url';
import type { Page } from '@playwright/test';

export async function openPackage(page: Page, base: string) {
  await page.route(`${base}pkg/**`, (route) => {
    const path = route.request().url().slice(base.length);
    return route.fulfill({ path: fileURLToPath(new URL(`../${path}`, import.meta.url)) });
  });
  await page.goto('icon.svg');
}
