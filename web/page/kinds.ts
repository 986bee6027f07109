// Kinds of files, by their names.
export const IMAGE = /\.(png|jpe?g|webp|gif|bmp|avif)$/i;
export const ARCHIVE = /\.(zip|tar|tar\.gz|tgz)$/i;
export const CHECKPOINT = /\.safetensors$/i;
