//! From masks to the index lists that gathers read: which row comes from where. Checked here, trusted by shaders.

use crate::data::masks::Masks;
use crate::ops::gather::invert;
use crate::ops::predictor_tokens::MASK_TOKEN;
use crate::{Error, Result};

/// Index lists of one batch. Rows of tokens are numbered as the tensors have them: sequence by sequence.
pub struct Lists {
    /// `[E*B*K_e]`: image * N + patch, mask 0 of all images first.
    pub context: Vec<u32>,
    /// `[M*E*B*K_p]`: rows of the target encoder's output, by target mask, then context mask, then image.
    pub targets: Vec<u32>,
    /// `[M*E*B*(K_e+K_p)]`: the row of the embedded context, or MASK_TOKEN.
    pub source: Vec<u32>,
    /// The same length: the patch whose position is added.
    pub place: Vec<u32>,
    /// `[M*E*B*K_p]`: the mask tokens' rows in the predictor's sequences.
    pub pulled: Vec<u32>,
    /// `source` and `pulled` turned round (see `gather::invert`).
    pub source_inverse: (Vec<u32>, Vec<u32>),
    pub pulled_inverse: (Vec<u32>, Vec<u32>),
}

impl Lists {
    /// `patches` is N, the patches of an image.
    pub fn new(masks: &Masks, patches: usize) -> Result<Lists> {
        check(masks, patches)?;
        let Masks {
            batch,
            num_enc,
            num_pred,
            k_context,
            k_target,
            ..
        } = *masks;
        let whole = |mask_row: usize, patch: u32| ((mask_row % batch) * patches) as u32 + patch;
        let context = masks
            .context
            .iter()
            .enumerate()
            .map(|(i, &patch)| whole(i / k_context, patch))
            .collect();
        let sequences = num_pred * num_enc * batch;
        let (mut targets, mut source, mut place, mut pulled) = (vec![], vec![], vec![], vec![]);
        for sequence in 0..sequences {
            let (image, mask) = (sequence % batch, sequence / (num_enc * batch));
            // The context batch [E*B] is repeated for each target mask.
            let seen = sequence % (num_enc * batch);
            let context_rows = seen * k_context..(seen + 1) * k_context;
            source.extend(context_rows.clone().map(|row| row as u32));
            place.extend(&masks.context[context_rows]);
            let first = (mask * batch + image) * k_target;
            for &patch in &masks.targets[first..first + k_target] {
                targets.push(whole(image, patch));
                pulled.push(source.len() as u32);
                source.push(MASK_TOKEN);
                place.push(patch);
            }
        }
        let source_inverse = invert(&source, num_enc * batch * k_context);
        let pulled_inverse = invert(&pulled, source.len());
        Ok(Lists {
            context,
            targets,
            source,
            place,
            pulled,
            source_inverse,
            pulled_inverse,
        })
    }
}

pub(super) fn check(masks: &Masks, patches: usize) -> Result<()> {
    let lengths = [
        (
            "context",
            masks.context.len(),
            masks.num_enc * masks.batch * masks.k_context,
        ),
        (
            "target",
            masks.targets.len(),
            masks.num_pred * masks.batch * masks.k_target,
        ),
    ];
    for (name, length, expected) in lengths {
        if length != expected || length == 0 {
            return Err(Error::usage(format!(
                "the {name} masks hold {length} patches, {expected} are expected"
            )));
        }
    }
    match masks
        .context
        .iter()
        .chain(&masks.targets)
        .find(|&&patch| patch as usize >= patches)
    {
        Some(patch) => Err(Error::usage(format!(
            "a mask names patch {patch}, but an image has {patches}"
        ))),
        None => Ok(()),
    }
}
