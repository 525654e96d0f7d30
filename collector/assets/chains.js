// chains.js - the path of each service from the user to the application; where it is broken, and whose part that is.
//
// Where an incident of alertd names a segment, that is shown.  Without one the first segment that is down is marked
// as seen by the page, by the same rule as alertd's: the first broken one, doubtful if one before it is not known.
import { t, named, word, located, gradeWord, vendorName, segments } from './text.js';
import { el, api, emptyState, stateBadge } from './ui.js';
import { rank, keyOf, byUrgency, isOpen, figures } from './wall.js';

const worstOf = (list) => list.reduce((a, b) => rank(b) < rank(a) ? b : a);

// {numbers: [3], sure, incident}: the segments that are or may be broken.
export function locate(parts, incident)
{
	const digits = incident && incident.located ? (incident.located.match(/\d/g) || []).map(Number) : [];
	const first = parts.findIndex((p) => p.links.length > 0 && rank(worstOf(p.links)) === 0);

	if (digits.length > 0)
		return { numbers: digits, sure: digits.length === 1, incident };
	if (first < 0)
		return null;
	const known = parts.slice(0, first).every((p) => p.links.length > 0
		&& [1, 4, 5].includes(rank(worstOf(p.links))));

	return { numbers: [first + 1], sure: known, incident };
}

function segmentNode(part, number, found, vendors)
{
	const hit = found && found.numbers.includes(number), list = part.links;
	const owners = [...new Set(list.map((l) => vendorName(vendors, l.vendor)))];
	const sorted = list.slice().sort((a, b) => rank(a) - rank(b));

	return el('li', { class: 'segment', 'data-segment': segments[number], 'data-hit': hit ? (found.sure ? 'sure' : 'maybe') : null,
		'data-state': list.length ? worstOf(list).state || 'none' : 'unwatched' },
	el('span', { class: 'seg-name' }, word(segments[number])),
	list.length ? stateBadge(worstOf(list).state) : el('span', { class: 'muted' }, '◌ ' + t('unwatched')),
	hit ? el('b', { class: 'broken' }, found.sure ? '✖ ' + t('brokenHere') : '▲ ' + t('maybeHere')) : null,
	owners.length ? el('span', { class: 'owner' }, t('owner', owners.join(t('comma')))) : null,
	...sorted.slice(0, 3).map((l) => el('a', { class: 'seg-link', href: '/link/' + keyOf(l) },
		el('span', {}, named(l, 'name')), el('b', {}, figures(l)[l.probe !== 'snmp' && l.loss > 0 ? 1 : 0][0]))),
	sorted.length > 3 ? el('span', { class: 'muted' }, t('andMore', sorted.length - 3)) : null);
}

function chainNode(chain, found, vendors)
{
	const i = found && found.incident;
	const state = worstOf(chain.links).state || 'none';

	return el('section', { class: 'card chain', 'data-chain': chain.id, 'data-state': state },
		el('div', { class: 'chain-head' }, el('h2', {}, named(chain, 'name') || chain.id), stateBadge(state === 'none' ? null : state),
			found ? el('b', { class: 'verdict' }, t(found.sure ? 'chainBroken' : 'chainMaybe',
				i && i.located ? located(i.located) : word(segments[found.numbers[0]]))) : null,
			i ? el('a', { class: 'chain-incident', href: '/incident/' + i.number, 'data-grade': i.grade },
				el('span', { class: 'grade' }, gradeWord(i.grade)), ' #' + i.number + ' ' + named(i, 'title')) : null),
		el('ol', { class: 'segments' }, ...chain.parts.map((p, k) => segmentNode(p, k + 1, found, vendors))));
}

export function chainsPage(main)
{
	const box = el('div', { id: 'chains' });
	let links = new Map(), incidents = new Map(), chains = [], vendors = [], due = false;

	document.title = t('chains') + ' - ' + t('product');
	main.append(el('div', { class: 'page-head' }, el('h1', {}, t('chains')), el('span', { class: 'muted' }, t('chainsHelp'))), box);

	// The most urgent open incident that has a link of the chain.
	function incidentOf(chain)
	{
		const keys = new Set(chain.links.map(keyOf));

		return [...incidents.values()].filter((i) => isOpen(i) && i.link_state !== 'up'
			&& (i.links || []).some((l) => keys.has(l.agent + '/' + l.link)))
			.sort((a, b) => (a.located ? 0 : 1) - (b.located ? 0 : 1) || byUrgency(a, b))[0];
	}

	function show()
	{
		const by = new Map(chains.map((c) => [c.id, { ...c, links: [], parts: segments.slice(1).map(() => ({ links: [] })) }]));

		due = false;
		for (const l of links.values()) {
			const c = by.get(l.chain), s = segments.indexOf(l.segment);

			if (c && s > 0) {
				c.links.push(l);
				c.parts[s - 1].links.push(l);
			}
		}
		const shown = [...by.values()].filter((c) => c.links.length > 0)
			.map((c) => [c, locate(c.parts, incidentOf(c))])
			.sort((a, b) => (a[1] ? 0 : 1) - (b[1] ? 0 : 1) || rank(worstOf(a[0].links)) - rank(worstOf(b[0].links)));
		const focus = box.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;

		box.replaceChildren(...(shown.length ? shown.map(([c, found]) => chainNode(c, found, vendors))
			: [el('div', { class: 'card' }, emptyState(t('noChains'), t('noChainsHint')))]));
		if (focus)
			box.querySelector('[href="' + focus + '"]')?.focus();
	}

	const later = () => {
		if (!due)
			requestAnimationFrame(show);
		due = true;
	};

	async function reload()
	{
		try {
			const [data, list] = await Promise.all([api('links?curve=0'), api('incidents')]);

			links = new Map(data.links.filter((l) => l.chain && l.segment).map((l) => [keyOf(l), l]));
			chains = data.chains;
			vendors = data.vendors;
			incidents = new Map(list.incidents.map((i) => [i.number, i]));
			show();
		} catch (e) {
			box.replaceChildren(emptyState(t('loadFailed', e.message)));
		}
	}

	return {
		reload,
		links(list) {
			for (const l of list)
				if (links.has(keyOf(l))) {
					Object.assign(links.get(keyOf(l)), l);
					later();
				}
		},
		incident(i) { incidents.set(i.number, i); later(); },
	};
}
