/*
 * control.h - the words on alertd's control socket, for linkctl and web.
 *
 * A Unix stream socket.  Each side writes one JSON object a line (UTF-8, at
 * most CONTROL_LINE_MAX bytes).  Requests are answered in order:
 *
 *   {"id":1,"cmd":"incident.ack","args":{"number":17,"note":"...","eta":"10:00"}}
 *   {"id":1,"ok":true,"data":{...}}
 *   {"id":1,"ok":false,"error":{"code":"link-down","zh":"...","en":"..."}}
 *
 * Who acts is told by the peer's credentials: alertd.yaml maps uid to name and
 * role (viewer, operator, admin).  A uid listed under `proxies` (the page) may
 * add "as":{"user":"...","role":"..."} to a request; there the role may also be
 * vendor, with "vendor":"ID" beside it: an engineer of that vendor, for whom
 * link.show, incident.show, incident.ack and incident.note stand open, and
 * links and incidents of others are not-found.  Error codes: usage, not-found,
 * closed, denied, missing-fields, link-down, conflict, unavailable.
 *
 * Commands (role that is needed; what data holds):
 *   status            viewer   {"version","now","feed":{"up","seq","lag_s"},"links":{"up":n,"degraded":n,"down":n,
 *                              "planned":n,"not-observed":n},"agents":{"connected":n,"silent":n},
 *                              "incidents":{"open":n,"handling":n,"recovered":n,"review":n,"hold":n},
 *                              "outbox":{"pending":n,"unknown":n,"failed":n},"channels":[{"name","up","detail"}]}
 *   link.list         viewer   {"links":[LINK...]}         args: vendor, agent, state (all optional)
 *   link.show         viewer   {"link":LINK,"why":{...},"incidents":[INCIDENT...]}  args: agent, link ("agent/link" in link too)
 *   link.marks        viewer   {"faults":[{"kind","from","to","incident"}],"planned":[{"name","from","to"}],
 *                              "unseen":[{"from","to"}]}  args: agent, link, from, to (seconds): what overlaps that
 *                              time; to 0: it lasts; unseen: its agent was silent, or the state now is not-observed
 *   agent.list        viewer   {"agents":[AGENT...]}
 *   incident.list     viewer   {"incidents":[INCIDENT...]} args: state, vendor, all (bool), limit
 *   incident.show     viewer   {"incident":INCIDENT,"log":[LOG...],"messages":[MESSAGE...],"anomalies":[ANOMALY...]}  args: number
 *   incident.ack      operator {"incident":INCIDENT}       args: number, note, eta ("HH:MM" or seconds), version
 *   incident.note     operator same                        args: number, note
 *   incident.close    operator same                        args: number, note, cause, root-cause, responsible, measure, grade-final
 *   incident.set      operator same                        args: number, fields as close
 *   incident.grade    operator same                        args: number, grade-final (1 to 4), note
 *   incident.hold     operator same                        args: number, note; resume ends it
 *   incident.resume   operator same                        args: number, note
 *   incident.reopen   operator same                        args: number, note
 *   incident.cancel   operator same                        args: number, note
 *   reload            admin    {"alertd":"ok","collector":"ok","revision":n}
 *   subscribe         viewer   {} and from then on lines without id: {"event":"link","link":LINK},
 *                              {"event":"incident","incident":INCIDENT}, {"event":"agent","agent":AGENT}
 *
 *   LINK     {"agent","link","name_zh","name_en","probe","target","port","class","vendor","vendor_code","zone","step_ms",
 *             "state","cause","since":SECONDS,"last_sample":SECONDS,"loss":RATIO|null,"rtt_ms":NUMBER|null,
 *             "incident":NUMBER|0,"values":{"in_bps":n,...}}
 *   AGENT    {"agent","vendor","zone","name_zh","name_en","connected","silent","since","last_batch","address","version",
 *             "plan_revision","links","refused_links","clock_offset_ms"|null,"spool_batches","spool_dropped",
 *             "cert_days","incident"}
 *   INCIDENT as incident_to_json(): {"number","code","state","state_zh","kind","severity","grade","grade_initial",
 *             "grade_final","vendor","zone","agent","link","segment","located","link_state","links":[{"agent","link","state"}],
 *             "first_fail","opened","acked","recovered","closed","updated","clean_since","outage_s","outages","relapses",
 *             "handler","eta","fields":{"cause":..,"root-cause":..,...},"missing":["cause",...],"title_zh","title_en",
 *             "version","told":[{"recipient","channel"}], and what restoring needs}
 *   LOG      {"seq","at","actor","role","channel","from","to","what","note","hash"}
 *   MESSAGE  {"id","event","channel","recipient","address","state","attempts","decided","sent","body","detail"}
 * Times are seconds since 1970 UTC, as numbers; 0: never.
 */
#pragma once

#define CONTROL_LINE_MAX (4 * 1024 * 1024)
#define CONTROL_REQUEST_MAX (64 * 1024)
