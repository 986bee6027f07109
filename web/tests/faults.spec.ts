// What can be missing, each with its own words.
import { barriers, beginSmall, expect, pause, reach, shot, test } from './page';

test('a browser without WebGPU', async ({ page }) => {
  await page.addInitScript(() => Object.defineProperty(navigator, 'gpu', { value: undefined }));
  await page.goto('.');
  await expect(page.getByRole('alert')).toContainText('This browser has no WebGPU');
  await expect(page.getByRole('button', { name: 'Start training' })).toBeDisabled();
  await expect(page.getByLabel('Choose files')).toBeDisabled();
  await expect(page.locator('#images-state')).toContainText('needs a GPU');
  await expect(page.locator('#saved')).not.toContainText('saves itself');
  expect(await barriers(page)).toEqual([]);
  await shot(page, 'no-webgpu');
  await page.getByRole('button', { name: 'How it works' }).click();
  await expect(page.locator('#how')).toContainText('this browser gives none');
  await page.getByRole('link', { name: 'Look inside' }).click();
  await expect(page.locator('.looked-into')).toHaveText('Looking inside needs a GPU.');
  await expect(page.getByText('Choose a checkpoint')).toBeHidden();
  expect(await barriers(page)).toEqual([]);
  await shot(page, 'inside-no-webgpu');
});

test('a browser without an adapter', async ({ page }) => {
  await page.addInitScript(() => Object.defineProperty(navigator.gpu, 'requestAdapter', { value: async () => null }));
  await page.goto('.');
  await expect(page.getByRole('alert')).toContainText('found no GPU it may use');
  await page.setViewportSize({ width: 390, height: 844 });
  await shot(page, 'no-adapter-390');
});

test('a batch that no GPU memory holds', async ({ page }) => {
  await page.goto('.');
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled();
  await page.locator('#settings > summary').click();
  await page.getByLabel('Batch', { exact: true }).fill('4000');
  await page.getByLabel('Anything else').fill('meta.model.mlp_ratio=64');
  await expect(page.locator('#settings-note')).toContainText('2 changed');
  await page.waitForTimeout(300);
  await page.getByRole('button', { name: 'Start training' }).click();
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('too little memory', { timeout: 60_000 });
  await expect(alert).toContainText(/adapter ".*swiftshader.*" binds at most .* a batch of \d+ fits \(data\.batch_size\)/i);
  await expect(alert).not.toContainText('--');
  await expect(page.getByRole('button', { name: 'Start training' })).toBeEnabled();
  await shot(page, 'memory');

  // The sizes of ViT-H, more than a browser's module can hold: said before it tries.
  await page.getByLabel('Batch', { exact: true }).fill('8');
  await page.getByLabel('Anything else').fill('meta.model.depth=32\nmeta.model.embed_dim=1280\nmeta.model.num_heads=16\nmeta.pred_emb_dim=384\nmeta.pred_depth=12');
  await expect(page.locator('#settings-note')).toContainText('6 changed');
  await page.waitForTimeout(300);
  await page.getByRole('button', { name: 'Start training' }).click();
  await expect(alert).toContainText(/32-bit addresses.*of the presets: demo, nano, tiny, small, base/, { timeout: 60_000 });
  await expect(alert).not.toContainText(/unreachable|--/);

  // And the same worker trains what fits.
  await page.locator('#settings > summary').click();
  await beginSmall(page);
  await reach(page, 1);
});

test.describe('a worker that breaks down', () => {
  test.use({ excused: /broken for a test/ });

  test('is replaced, and the run offered again', async ({ page }) => {
    await page.goto('.');
    await beginSmall(page);
    await reach(page, 2);
    await pause(page);
    await page.workers()[0]!.evaluate(() => {
      setTimeout(() => {
        throw new Error('broken for a test');
      });
    });
    await expect(page.getByRole('alert')).toContainText('Training broke down');
    await expect(page.getByRole('alert')).toContainText('is offered below');
    await page.getByRole('button', { name: /^Continue/ }).click();
    await reach(page, 4);
  });

  test('is replaced, and nothing offered where nothing was saved', async ({ page }) => {
    await page.goto('.');
    await beginSmall(page);
    await reach(page, 1);
    await page.workers()[0]!.evaluate(() => {
      setTimeout(() => {
        throw new Error('broken for a test');
      });
    });
    await expect(page.getByRole('alert')).toContainText('Nothing of it was saved');
    await expect(page.locator('#train')).toBeEnabled();
  });
});
