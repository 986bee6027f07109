//! Each tensor's shape on its way through one iteration, as the instrumented reference prints it.

use super::config::ModelConfig;
use super::needs::Dims;

/// One line: a name with its shape, a name with a number, or words alone.
enum Line<'a> {
    Shape(&'a str, Vec<usize>),
    Number(&'a str, usize),
    Words(&'a str),
}
use Line::*;

/// From `imgs.shape` to the end of the predictor; `dims` has the lengths drawn. Each line ends with a line feed.
pub fn shapes(config: &ModelConfig, dims: &Dims) -> String {
    let mut lines = inputs(config, dims);
    lines.push(Words("inside forward_target"));
    lines.extend(encoder(config, dims.batch, dims.batch, config.num_patches()));
    lines.push(Words("inside forward_context"));
    lines.extend(encoder(config, dims.batch, dims.num_enc * dims.batch, dims.k_context));
    lines.extend(predictor(config, dims));
    lines.iter().map(text).collect()
}

fn text(line: &Line) -> String {
    match line {
        Shape(name, shape) => format!("{name} {}\n", size(shape)),
        Number(name, value) => format!("{name} {value}\n"),
        Words(words) => format!("{words}\n"),
    }
}

/// `torch.Size([128, 57, 768])`
pub fn size(shape: &[usize]) -> String {
    format!("torch.Size({})", super::tensors::dims(shape))
}

fn inputs(config: &ModelConfig, dims: &Dims) -> Vec<Line<'static>> {
    vec![
        Shape(
            "imgs.shape",
            vec![dims.batch, 3, config.image.height, config.image.width],
        ),
        Shape("masks_enc[0].shape", vec![dims.batch, dims.k_context]),
        Number("masks_enc length", dims.num_enc),
        Shape("masks_pred[0].shape", vec![dims.batch, dims.k_target]),
        Number("masks_pred length", dims.num_pred),
    ]
}

/// `batch` images, of which `sequences` lists of `kept` patches go through the blocks.
fn encoder(config: &ModelConfig, batch: usize, sequences: usize, kept: usize) -> Vec<Line<'static>> {
    let (n, d) = (config.num_patches(), config.embed_dim);
    vec![
        Words("---------------encoder start-----------------"),
        Shape("x.shape: ", vec![batch, 3, config.image.height, config.image.width]),
        Shape("x.shape: ", vec![batch, n, d]),
        Shape("pos_embed.shape: ", vec![1, n, d]),
        Shape("x.shape after pos_embed: ", vec![batch, n, d]),
        Shape("x.shape after mask: ", vec![sequences, kept, d]),
        Shape("x.shape after blocks: ", vec![sequences, kept, d]),
        Words("---------------encoder end-------------------"),
    ]
}

fn predictor(config: &ModelConfig, dims: &Dims) -> Vec<Line<'static>> {
    let (n, d, p) = (config.num_patches(), config.embed_dim, config.pred_emb_dim);
    let (context, target) = (dims.k_context, dims.k_target);
    let sequences = dims.num_enc * dims.batch;
    let copies = dims.num_pred * sequences;
    vec![
        Words("---------------predictor start---------------"),
        Shape("x.shape:", vec![sequences, context, d]),
        Shape("masks_x[0].shape", vec![dims.batch, context]),
        Number("masks_x length", dims.num_enc),
        Shape("masks[0].shape", vec![dims.batch, target]),
        Number("masks length", dims.num_pred),
        Number("Batch Size:", dims.batch),
        Shape("x.shape after predictor_embed:", vec![sequences, context, p]),
        Shape("x_pos_embed.shape:", vec![dims.batch, n, p]),
        Shape(
            "x.shape after adding positional embedding:",
            vec![sequences, context, p],
        ),
        Number("N_ctxt:", context),
        Shape("pos_embs.shape:", vec![copies, target, p]),
        Shape("pred_tokens.shape:", vec![copies, target, p]),
        Shape("x.shape after concat mask tokens:", vec![copies, context + target, p]),
        Shape("x.shape after predictor_blocks:", vec![copies, context + target, p]),
        Shape("x.shape after pulling mask tokens:", vec![copies, target, p]),
        Shape("x.shape after predictor_proj:", vec![copies, target, d]),
        Words("---------------predictor end-----------------"),
    ]
}
