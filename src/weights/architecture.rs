//! The sizes of networks, read off the shapes of their parameters.

use crate::model::config::ModelConfig;

/// What shapes and a configuration beside them say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Architecture {
    pub embed_dim: usize,
    pub depth: usize,
    pub patch: usize,
    /// Hidden width of the encoder's MLP.
    pub hidden: usize,
    /// Patches along a side, where positions are in the file.
    pub grid: Option<usize>,
    /// Shapes don't tell, a configuration beside them may.
    pub heads: Option<usize>,
    /// Width and depth, where there is a predictor.
    pub predictor: Option<(usize, usize)>,
}

/// Width and heads of the reference's models.
const HEADS: [(usize, usize); 6] = [(192, 3), (384, 6), (768, 12), (1024, 16), (1280, 16), (1408, 16)];

impl Architecture {
    /// From the shapes of parameters by our names; `None` where there is no encoder.
    pub fn read(shape: impl Fn(&str) -> Option<Vec<usize>>) -> Option<Architecture> {
        let (network, patches) = ["encoder", "target_encoder"]
            .iter()
            .find_map(|network| Some((network, shape(&format!("{network}.patch_embed.proj.weight"))?)))?;
        let &[embed_dim, 3, patch, across] = &patches[..] else {
            return None;
        };
        if patch != across || embed_dim == 0 || patch == 0 {
            return None;
        }
        let depth = |stack: &str| {
            let has = |i: &usize| shape(&format!("{stack}.{i}.norm1.weight")).is_some();
            (0..usize::MAX).take_while(has).count()
        };
        let first = |name: &str| shape(name).and_then(|shape| shape.first().copied());
        let grid = shape(&format!("{network}.pos_embed")).and_then(|shape| match shape[..] {
            [1, patches, _] => Some(patches.isqrt()).filter(|grid| grid * grid == patches && *grid > 0),
            _ => None,
        });
        let width = first("predictor.predictor_embed.weight");
        Some(Architecture {
            embed_dim,
            depth: depth(&format!("{network}.blocks")),
            patch,
            hidden: first(&format!("{network}.blocks.0.mlp.fc1.weight")).unwrap_or(4 * embed_dim),
            grid,
            heads: HEADS
                .iter()
                .find(|(width, _)| *width == embed_dim)
                .map(|(_, heads)| *heads),
            predictor: width.map(|width| (width, depth("predictor.predictor_blocks"))),
        })
    }

    /// Heads as far as they are known, or as the reference's model of this width has them: others build other ones (timm's
    /// `vit_base_patch16_gap_224` has 16), so that a guess is to be told.
    pub fn likely_heads(&self) -> Option<usize> {
        let by_width = HEADS.iter().find(|(width, _)| *width == self.embed_dim);
        self.heads.or(by_width.map(|(_, heads)| *heads))
    }

    /// The reference's name of an encoder of these sizes.
    pub fn name(&self) -> Option<&'static str> {
        let named = [
            ("vit_tiny", 192, 12, 768),
            ("vit_small", 384, 12, 1536),
            ("vit_base", 768, 12, 3072),
            ("vit_large", 1024, 24, 4096),
            ("vit_huge", 1280, 32, 5120),
            ("vit_giant", 1408, 40, 6144),
        ];
        let sizes = (self.embed_dim, self.depth, self.hidden);
        named
            .iter()
            .find(|named| (named.1, named.2, named.3) == sizes)
            .map(|named| named.0)
    }

    /// The factor that gives the very hidden width.
    pub fn mlp_ratio(&self) -> f64 {
        let ratio = self.hidden as f64 / self.embed_dim as f64;
        // int(ratio * width) may fall one short of what the division came from.
        match (ratio * self.embed_dim as f64) as usize == self.hidden {
            true => ratio,
            false => ratio.next_up(),
        }
    }

    /// Whether a model has these encoders, crop aside.
    pub fn fits(&self, model: &ModelConfig) -> bool {
        (self.embed_dim, self.depth, self.patch, self.hidden)
            == (model.embed_dim, model.depth, model.patch, model.hidden())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_gives_back_the_hidden_width() {
        for (embed_dim, hidden) in [(1408, 6144), (768, 3072), (96, 100), (49, 148), (7, 5)] {
            let architecture = Architecture {
                embed_dim,
                hidden,
                ..Architecture::default()
            };
            assert_eq!((architecture.mlp_ratio() * embed_dim as f64) as usize, hidden);
        }
    }
}
