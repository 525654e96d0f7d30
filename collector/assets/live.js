// live.js - one stream of what changed; when it does not come, polling.
import { api, toLogin } from './ui.js';

const STALE_MS = 25000;			// the server says something at least every 15 s
const POLL_MS = 5000;

// handlers: links(list), status(object), incident(object), reload() after a gap, mode(word)
export function follow(handlers)
{
	let source = null, heard = 0, mode = '', polling = false;

	const setMode = (m) => {
		if (m !== mode)
			handlers.mode(mode = m);
	};
	const hear = (f) => (e) => {
		heard = Date.now();
		setMode('live');
		if (f)
			f(JSON.parse(e.data));
	};
	const open = () => {
		source = new EventSource('/api/events');
		source.onopen = () => {
			heard = Date.now();
			setMode('live');
			handlers.reload();
		};
		source.addEventListener('links', hear(handlers.links));
		source.addEventListener('status', hear(handlers.status));
		source.addEventListener('incident', hear(handlers.incident));
		source.onerror = () => {
			if (mode === 'live')
				setMode('polling');
		};
	};
	const poll = async () => {
		if (polling || (mode === 'live' && Date.now() - heard < STALE_MS))
			return;
		polling = true;
		try {
			const status = await api('status');

			setMode('polling');
			handlers.status(status);
			handlers.reload();
			if (source.readyState === EventSource.CLOSED ||
			    (heard && Date.now() - heard > 2 * STALE_MS)) {
				source.close();
				open();
			}
		} catch (e) {
			setMode('offline');
		}
		polling = false;
	};

	open();
	setInterval(poll, POLL_MS);
	addEventListener('pagehide', () => source.close());
	addEventListener('pageshow', (e) => { if (e.persisted) toLogin(); });
}
