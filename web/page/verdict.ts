// Is it learning, or collapsing? The monitor's words and numbers, and why a loss rises again.
import type { Look } from 'ijepa';
import { decimals, smoothed } from './curves';
import { element, write } from './make';
import type { Point } from './messages';

/** Shows a look beside the first one. Gives the verdict in words where it is another one than before. */
export function showVerdict(look: Look, first: Look): string | null {
  const words: Record<string, string> = { healthy: 'Healthy', collapsing: 'Collapsing', undecided: 'Undecided' };
  const before = element('verdict').dataset.verdict;
  element('verdict').dataset.verdict = look.verdict;
  write('verdict', words[look.verdict] ?? look.verdict);
  // Looks of a run that was saved by an earlier page have no reason.
  const text = look.reason || 'features say more than the untrained network’s did';
  write('verdict-words', `At step ${look.step}: ${text}.`);
  element('monitor').hidden = false;
  const rows: [string, (look: Look) => string][] = [
    ['rank', ({ effectiveRank }) => effectiveRank.toFixed(1)],
    ['deviation', ({ deviation }) => deviation.toFixed(3)],
    ['knn', ({ neighbours }) => (neighbours === null ? 'no labels' : `${neighbours.toFixed(1)} %`)],
  ];
  for (const [name, text] of rows) {
    write(`${name}-before`, text(first));
    write(`${name}-now`, text(look));
  }
  return before !== look.verdict && before !== 'none' ? `Verdict: ${look.verdict}, ${text}` : null;
}

const story = element('loss-story').textContent!.replace(/\s+/g, ' ').trim();

/** Puts the run's own numbers before the explanation, once the loss has turned. */
export function tellStory(points: Point[]) {
  const smooth = smoothed(points);
  const low = smooth.reduce((best, value, i) => (value < smooth[best]! ? i : best), 0);
  const now = smooth.at(-1) ?? 0;
  const turned = low > 10 && now > 1.5 * smooth[low]!;
  const numbers = turned ? `Here it fell to ${decimals(smooth[low])} by step ${points[low]!.step} and stands at ${decimals(now)} now. ` : '';
  write('loss-story', numbers + story);
}

export function clearVerdict() {
  element('monitor').hidden = true;
  element('verdict').dataset.verdict = 'none';
  write('verdict', 'No verdict yet');
  write('verdict-words', 'A monitor compares the features with those of the untrained network.');
  write('loss-story', story);
}
