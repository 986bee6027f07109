// The text of "How it works", in the order of an iteration. *term* is explained where it stands, `shape` is written as code,
// {name} becomes a number of the step that is shown, [words](place) a link, and a part of one name a figure.

export interface Section {
  id: string;
  title: string;
  /** Where the paper says it. */
  source?: string;
  parts: (string | { figure: string })[];
}

/** What stands for the numbers while none are known: those of the small network that this view makes. */
export const USUAL: Record<string, string> = {
  B: '8', M: '4', N: '64', D: '64', P: '32', Ke: 'about 17', Kp: 'about 8', crop: '32', patch: '4', grid: '8', values: '48', pixels: '16',
  depth: '4', predDepth: '2', loss: 'one number', regularizer: '', gradient: 'not known yet', lr: 'a small number',
  momentum: '0.98', rest: '0.02',
};

export const SECTIONS: Section[] = [
  {
    id: 'how-idea',
    title: 'The idea',
    source: 'Paper, sections 1 and 3',
    parts: [
      'A network sees part of an image and has to predict the rest: not the missing pixels, but what another network makes of them. Nobody has to say what the picture shows, since the image itself holds the answer: it is *learning without labels*. And because the answer is a description rather than a copy, the network is free to leave out what can’t be known, such as noise and exact texture, and to learn what the hidden part is about.',
      'A *network* is a long calculation with many adjustable numbers in it, its *weights*; *training* adjusts them, one small step at a time. Below is a single step of the method, called I-JEPA, taken in this page with real images and weights. The figures follow one image through it in the order in which things happen.',
      { figure: 'overview' },
    ],
  },
  {
    id: 'how-patches',
    title: 'An image becomes patches',
    source: 'Paper, section 3',
    parts: [
      'The image, {crop} by {crop} pixels, is cut into a grid of {grid} by {grid} squares of {patch} by {patch} pixels, its *patches*. From here on it is a list of {N} patches, counted row by row. Each is a row of {values} numbers: the brightness of its {pixels} pixels in red, then in green, then in blue, shifted and scaled so that an average image comes to lie around 0.',
      'A block of numbers like this is a *tensor*, and its size is written in brackets: `[B, N, 3p²]` means B = {B} images, N = {N} patches of each, and for each patch of p = {patch} by p pixels 3p² = {values} numbers. The images that go through a step together are a *batch*.',
      { figure: 'patches' },
    ],
  },
  {
    id: 'how-masks',
    title: 'Masks are drawn',
    source: 'Paper, section 3 and ablations in section 9',
    parts: [
      'For each image M = {M} rectangles are drawn at random: the *target blocks*, whose content is to be predicted. They may overlap. Then one large block is drawn, the *context*, and whatever lies in a target block is taken out of it, so that the answer can’t be read off.',
      'Sizes are drawn once for a batch, places anew for each image. Then all lists are cut to the shortest one in the batch, so that they fit into one tensor; therefore patches at the bottom of a context may be missing. Here Ke = {Ke} patches are left of each context and Kp = {Kp} of each target block. Blocks must be large enough to hold something worth predicting, and the context must leave enough to predict it from.',
      { figure: 'masks' },
    ],
  },
  {
    id: 'how-targets',
    title: 'The target encoder looks at everything',
    source: 'Paper, section 3, “Targets”',
    parts: [
      'An *encoder* turns the numbers of each patch into D = {D} others that say what the patch is within its surroundings: its *features*. On their way through the network patches are called *tokens*. In each of the encoder’s {depth} layers a token gathers from all others what concerns it (*attention*) and is then worked on by itself. What a single feature stands for nobody has laid down; it emerges in training.',
      'The target encoder sees the whole image. Each row of its output is then *normalised*: shifted and scaled so that its numbers lie around 0 and are about as far from it in every row. Only now are the rows of the target blocks cut out. They are the *targets*, and since they were cut out last, each knows about the whole image.',
      { figure: 'targets' },
    ],
  },
  {
    id: 'how-context',
    title: 'The context encoder sees the context alone',
    source: 'Paper, section 3, “Context”',
    parts: [
      'A second encoder of the same build gets the {Ke} patches of the context. Hidden patches are not greyed out: they are not in the list at all, which also saves work. First the {values} numbers of each patch become {D}, each a weighted sum of them all: the *embedding*.',
      'A list does not say where its patches lie in the image, so a fixed pattern of waves is added to each token, different for every place: its *position*. Half of the numbers follow the column, half the row.',
      { figure: 'positions' },
      'Then tokens go through the {depth} layers, and come out as features of what can be seen.',
      { figure: 'context' },
    ],
  },
  {
    id: 'how-predictor',
    title: 'The predictor fills in what is hidden',
    source: 'Paper, section 3, “Prediction”',
    parts: [
      'A smaller network, P = {P} numbers wide, is asked about one target block at a time. It gets the tokens of the context and, for every hidden patch of the block, a *mask token*: the same learned row each time, plus the position of the patch that it stands for. In effect: “given all this, what is there?”',
      'After {predDepth} layers of attention the mask tokens have gathered from the context what can be known. They are kept, the rest is dropped, and each is widened to {D} numbers: the *prediction* of that patch’s features. Every image is asked about {M} times, hence the `M·B` in front.',
      { figure: 'predictor' },
    ],
  },
  {
    id: 'how-loss',
    title: 'The loss says how far off that is',
    source: 'Paper, section 3, “Loss”, and Table 7',
    parts: [
      'The *loss* is a single number: the difference between prediction and target, averaged over all numbers of all hidden patches. Differences below 1 are squared and halved; larger ones count as they are, less a half, so that a few large ones don’t decide everything (*smooth L1*; the paper writes the squared distance, its published code uses this). At this step it was {loss}.',
      { figure: 'loss' },
      'Why features and not pixels? Most of what is in the pixels of a hidden part can’t be known from its surroundings. A network that is judged by pixels spends itself on guessing them, while targets made by an encoder can leave out such detail. The paper reports that predicting pixels instead of features does clearly worse (Table 7).',
    ],
  },
  {
    id: 'how-learning',
    title: 'What is learned from it',
    source: 'Paper, section 3 and appendix A',
    parts: [
      'For each weight one can calculate how the loss would change if it were moved a little: its *gradient*. The calculation goes backwards, from the loss through the predictor and the context encoder. None flows into the target encoder; otherwise both sides could simply agree on something easy. All gradients of this step together have the length {gradient}.',
      { figure: 'gradients' },
      'Then *AdamW* moves every weight against its gradient. It evens gradients out over the last steps and divides them by their usual size, so that every weight moves about as far; the *learning rate*, {lr} at this step, says how large steps are. Large weights are also shrunk a little (*weight decay*).',
      'The target encoder is not trained but follows: after each step, each of its weights becomes {momentum} of itself plus {rest} of the context encoder’s. This *moving average* (EMA) gives the predictor something steady to aim at.',
      { figure: 'follow' },
    ],
  },
  {
    id: 'how-collapse',
    title: 'What can go wrong',
    source: 'Paper, section 2; the added term: Bardes et al., section 4.1',
    parts: [
      'There is a cheap way to a small loss: both encoders could say the same of every patch. Then the prediction is always right and worth nothing. This is *collapse*. That gradients flow on one side only and the target follows slowly is what holds against it, and in large networks that suffices.',
      'Small networks may collapse all the same, so that a weak second term can be added to the loss, a *regularizer* borrowed from VICReg: every feature should vary between tokens (variance), and no two features should say the same (covariance). It is no part of the paper’s method. {regularizer}',
      'A collapse need not be complete: features may still vary while they say less and less. Two numbers tell, and Train shows both: the *rank*, in how many independent ways features of images differ, which sinks when they come to say the same; and how often an image’s *nearest neighbours*, those with the closest features, are of its class.',
      'So a falling loss is no proof. In a healthy run it first drops, because the targets, too, are still nearly alike and so are easy to predict. Then features begin to differ, there is more to predict, and the loss *rises* to a plateau while features get better. The [verdict on a run](#train) is therefore made from the features and not from the loss.',
    ],
  },
  {
    id: 'how-use',
    title: 'What it is good for',
    source: 'Paper, sections 5 and 6',
    parts: [
      'After training the target encoder is kept; predictor and masks have done their work. Averaged over its patches, an image’s features describe it in {D} numbers. Images with close features tend to show similar things, so that a handful of labelled examples can go a long way: the class of the nearest neighbours is a good guess (the accuracy curve in Train), and so is that of the largest of some weighted sums, one for each class, learned on top of fixed features (*linear probing*).',
      'Patches can be compared as well. Choose one: orange patches have features like its own, the strongest colour the most. Look at it before a training and after.',
      { figure: 'similar' },
    ],
  },
  {
    id: 'how-trace',
    title: 'The whole iteration, line by line',
    parts: [
      '`ijepa trace` on the command line prints the shape of each tensor on its way. These are its lines for the batch above, beside the sections that explain them.',
      { figure: 'trace' },
    ],
  },
];

export const PAPERS: [words: string, title: string, where: string, link: string][] = [
  [
    'M. Assran, Q. Duval, I. Misra, P. Bojanowski, P. Vincent, M. Rabbat, Y. LeCun, N. Ballas: ',
    'Self-Supervised Learning from Images with a Joint-Embedding Predictive Architecture',
    ', CVPR 2023, pages 15619–15629. “The paper” above.',
    'https://arxiv.org/abs/2301.08243',
  ],
  [
    'A. Bardes, J. Ponce, Y. LeCun: ',
    'VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning',
    ', ICLR 2022.',
    'https://arxiv.org/abs/2105.04906',
  ],
];
