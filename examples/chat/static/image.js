// Makes any picture that the browser can read small enough to be sent.

const TYPES = new Set(["image/gif", "image/jpeg", "image/png", "image/webp"]);
const LONGEST_SIDE = 1600;

/**
 * Returns `{type, width, height, data}` with at most `limit` bytes of `data` (an ArrayBuffer).
 * A file that fits is sent as it is, so that animations stay animated.
 */
export async function prepare(file, limit) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) throw new Error("The browser can’t read this image.");
  try {
    const { width, height } = bitmap;
    const fits = Math.max(width, height) <= LONGEST_SIDE || file.type === "image/gif";
    if (TYPES.has(file.type) && file.size <= limit && fits) {
      return { type: file.type, width, height, data: await file.arrayBuffer() };
    }
    return await shrink(bitmap, limit);
  } finally {
    bitmap.close();
  }
}

async function shrink(bitmap, limit) {
  let scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  for (; scale * bitmap.width >= 1 && scale * bitmap.height >= 1; scale *= 0.7) {
    const canvas = draw(bitmap, scale);
    for (const quality of [0.86, 0.7, 0.5]) {
      // Browsers that don't write WebP write PNG instead; JPEG is better then.
      let blob = await encode(canvas, "image/webp", quality);
      if (blob.type !== "image/webp") blob = await encode(canvas, "image/jpeg", quality);
      if (blob.size <= limit) {
        return { type: blob.type, width: canvas.width, height: canvas.height, data: await blob.arrayBuffer() };
      }
    }
  }
  throw new Error("This image doesn’t get small enough.");
}

function draw(bitmap, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

function encode(canvas, type, quality) {
  return new Promise((resolve) => canvas.toBlob(resolve, type, quality));
}

export function size(bytes) {
  return bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
