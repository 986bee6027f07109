"""Makes pillow.safetensors: what Pillow makes of a small image and of files of many kinds, for tests/data. Needs pillow,
numpy and safetensors."""
import io
import numpy as np, PIL
from PIL import Image, ImageEnhance, ImageFilter
from safetensors.numpy import save_file

rng = np.random.default_rng(5)
coarse = Image.fromarray(rng.integers(0, 256, (6, 7, 3), dtype=np.uint8))
image = coarse.resize((37, 29), Image.BICUBIC)
pixels = np.asarray(image).copy()
pixels[:3, :5] = [[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 1], [7, 3, 255]]] * 3
image = Image.fromarray(pixels)
out = {"image": pixels}

def keep(name, picture):
    out[name] = np.ascontiguousarray(np.asarray(picture.convert("RGB")))

def hue(picture, turn):  # as torchvision.transforms._functional_pil.adjust_hue
    h, s, v = picture.convert("HSV").split()
    h = np.asarray(h) + np.array(int(turn * 255)).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(h.astype(np.uint8)), s, v)).convert("RGB")

for factor in (0.2, 0.77, 1.63):
    keep(f"brightness.{factor}", ImageEnhance.Brightness(image).enhance(factor))
    keep(f"contrast.{factor}", ImageEnhance.Contrast(image).enhance(factor))
    keep(f"saturation.{factor}", ImageEnhance.Color(image).enhance(factor))
for turn in (-0.19, 0.0, 0.13):
    keep(f"hue.{turn}", hue(image, turn))
keep("grey", image.convert("L"))
for radius in (0.1, 0.6, 1.1, 2.0):
    keep(f"blur.{radius}", image.filter(ImageFilter.GaussianBlur(radius)))

def center(picture, short, side):  # torchvision: Resize(short), then CenterCrop(side)
    w, h = picture.size
    least = min(w, h)
    picture = picture.resize((int(short * w / least), int(short * h / least)), Image.BILINEAR)
    left, top = (int(round((n - side) / 2.0)) for n in picture.size)
    return picture.crop((left, top, left + side, top + side))

for name, box in {"wide": (0, 0, 37, 29), "tall": (3, 0, 12, 29), "strip": (5, 1, 7, 29), "dot": (9, 9, 10, 10)}.items():
    part = image.crop(box)
    keep(f"part.{name}", part)
    for side in (16, 56):
        keep(f"margin.{name}.{side}", center(part, side * 256 // 224, side))
        keep(f"exact.{name}.{side}", center(part, side, side))
def file(name, picture, form, **options):  # the file's bytes, and the pixels that PIL's convert("RGB") gives
    data = io.BytesIO()
    picture.save(data, form, **options)
    out[f"file.{name}"] = np.frombuffer(data.getvalue(), np.uint8)
    keep(f"pixels.{name}", Image.open(data))

alpha = Image.fromarray((np.arange(37 * 29) % 251).astype(np.uint8).reshape(29, 37))
smooth = coarse.resize((40, 32), Image.BICUBIC)
for form, name in (("PNG", "rgb.png"), ("BMP", "rgb.bmp"), ("TIFF", "rgb.tiff"), ("PPM", "rgb.ppm")):
    file(name, image, form)
file("rgb.webp", image, "WEBP", lossless=True)
file("grey.png", image.convert("L"), "PNG")
file("bits.png", image.convert("1"), "PNG")
file("palette.png", image.quantize(16), "PNG")
file("transparent.png", image.quantize(16), "PNG", transparency=3)
file("rgba.png", Image.merge("RGBA", (*image.split(), alpha)), "PNG")
file("la.png", Image.merge("LA", (image.convert("L"), alpha)), "PNG")
file("palette.gif", image.quantize(32), "GIF")
file("rgb.jpg", smooth, "JPEG", quality=92)
file("grey.jpg", smooth.convert("L"), "JPEG", quality=92)
file("progressive.jpg", smooth, "JPEG", quality=92, progressive=True)
file("cmyk.jpg", smooth.convert("CMYK"), "JPEG", quality=92)
file("cmyk.tiff", image.convert("CMYK"), "TIFF")
turned = Image.Exif()
turned[0x0112] = 6
file("turned.jpg", smooth, "JPEG", quality=92, exif=turned)
save_file(out, "pillow.safetensors", {"made_with": f"Pillow {PIL.__version__}"})
