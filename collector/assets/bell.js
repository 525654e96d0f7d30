// bell.js - a sound for each new incident of grade 1, made here: two falling tones, three times.
//
// Browsers are silent until somebody has pressed something; until then the button says so.
import { t } from './text.js';
import { el, setText } from './ui.js';

const STORE = 'lw_muted';

export function makeBell()
{
	const known = new Set();
	let context = null, seeded = false;

	const isMuted = () => localStorage.getItem(STORE) === '1';
	const button = el('button', { class: 'quiet', id: 'bell', 'data-rung': '0', onclick: () => {
		const was = button.dataset.bell;

		wake();
		if (was !== 'blocked')
			localStorage.setItem(STORE, isMuted() ? '0' : '1');
		show();
	} });

	function wake()
	{
		context = context || new AudioContext();
		if (context.state === 'suspended')
			context.resume().then(show);
	}
	function show()
	{
		const state = isMuted() ? 'muted' : context && context.state === 'running' ? 'on' : 'blocked';

		button.dataset.bell = state;
		button.setAttribute('aria-pressed', String(state === 'on'));
		setText(button, '♪ ' + t('bell_' + state));
		button.title = t('bellHelp_' + state);
	}
	function ring()
	{
		if (isMuted())
			return;
		wake();
		for (let i = 0; i < 6; i++) {
			const tone = context.createOscillator(), gain = context.createGain();
			const at = context.currentTime + Math.floor(i / 2) * 0.8 + (i % 2) * 0.28;

			tone.frequency.value = i % 2 ? 660 : 990;
			tone.type = 'triangle';
			gain.gain.setValueAtTime(0.0001, at);
			gain.gain.exponentialRampToValueAtTime(0.5, at + 0.02);
			gain.gain.exponentialRampToValueAtTime(0.0001, at + 0.26);
			tone.connect(gain).connect(context.destination);
			tone.start(at);
			tone.stop(at + 0.28);
		}
		button.dataset.rung = String(Number(button.dataset.rung) + 1);
	}

	// An incident as it is now: it rings when it is open and of grade 1, and was not before.
	function hear(i)
	{
		const loud = i.grade === 1 && i.state === 'open';

		if (loud && !known.has(i.number) && seeded)
			ring();
		known[loud ? 'add' : 'delete'](i.number);
	}

	show();
	addEventListener('pointerdown', () => { if (!isMuted()) wake(); }, { once: true });
	addEventListener('keydown', () => { if (!isMuted()) wake(); }, { once: true });
	return {
		button, hear,
		// All incidents: the first time silently.
		seed(list) {
			list.forEach(hear);
			seeded = true;
		},
	};
}
