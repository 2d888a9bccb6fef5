// Package admin is the HTTP API of a running instance, as JSON: reads for programs and people, and
// what somebody on call does to tables and rows. Tokens say who may do what.
//
//	GET  /healthz                         200 while the process serves
//	GET  /readyz                          200 when every link is running or in contact, else 503
//	GET  /metrics                         for Prometheus
//	GET  /openapi.json                    all of this, in the words of OpenAPI
//	GET  /v1/links                        all links
//	GET  /v1/links/{link}                 one link: its sides and tables; POST …/pause, …/resume
//	GET  /v1/links/{link}/barrier         200 once everything committed in either store before
//	                                      the call is in the other; ?wait=10s, at most 5m
//	GET  /v1/links/{link}/changes         what is read from both logs, as server-sent events; ?table=
//	GET  /v1/links/{link}/tables/{table}  one table; POST …/pause, …/resume, …/resync
//	GET  /v1/links/{link}/parked          the rows that wait for a person or for a retry;
//	                                      POST …/{id}/resolve, …/{id}/retry, …/{id}/discard
//	GET  /v1/links/{link}/conflicts       the latest conflicts; ?limit=100, at most 10000;
//	                                      POST …/{side}/{id}/revert, …/replay
//	GET  /v1/links/{link}/shadow          what a direction in shadow would have written
//	POST /v1/links/{link}/verify          a job that compares both stores; GET /v1/jobs/{id}
//	POST /v1/reload                       reads the config again
//	GET  /v1/log                          the last lines of the log; ?limit=
//	GET  /v1/log-level                    and PUT
//	GET  /                                the console
//
// An error is {"error": "..."} with a status that says whose it is. [Server] serves what an
// [Instance] tells; [Client] asks it. The package knows neither the router nor an engine.
//
// Rows are JSON objects of their columns, in the order of the table pair: see [Row].
package admin
