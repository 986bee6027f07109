// What wgpu 30 does not do in a browser, for the worker that imports this.

// It never asks for subgroups (wgpu's issue 10146), so here every device gets them that can have them.
const adapters = globalThis.GPUAdapter?.prototype;
const requestDevice = adapters?.requestDevice;
if (requestDevice) {
  adapters.requestDevice = function (descriptor) {
    const asked = descriptor?.requiredFeatures ?? [];
    const more = this.features.has('subgroups') ? ['subgroups'] : [];
    return requestDevice.call(this, { ...descriptor, requiredFeatures: [...asked, ...more] });
  };
}

/** Can devices have subgroups? Then they do, by the above. */
export async function hasSubgroups() {
  return (await navigator.gpu?.requestAdapter())?.features.has('subgroups') ?? false;
}

/** The adapter that wgpu opens. Its own name for it is the description, which browsers leave empty. */
export async function describe() {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) return null; // that there is none is said by who opens it
  const { vendor, architecture, description, isFallbackAdapter, subgroupMinSize, subgroupMaxSize } = adapter.info;
  const fixed = adapter.features.has('subgroups') && subgroupMinSize === subgroupMaxSize;
  return {
    name: description || `${vendor} ${architecture}`.trim() || 'a GPU that the browser does not name',
    software: isFallbackAdapter,
    subgroupWidth: fixed ? subgroupMinSize : null,
  };
}
