// Package admin is the HTTP API of a running instance: read-only, JSON, for programs on the
// same machine.
//
//	GET /healthz                          200 while the process serves
//	GET /readyz                           200 when every link is running or in contact, else 503
//	GET /v1/links                         all links
//	GET /v1/links/{link}                  one link: its sides and tables
//	GET /v1/links/{link}/conflicts        the latest conflicts; ?limit=100, at most 10000
//	GET /v1/links/{link}/parked           the rows that wait for a person or for a retry
//	GET /v1/links/{link}/barrier          200 once everything committed in either store before
//	                                      the call is in the other; ?wait=10s, at most 5m
//
// An error is {"error": "..."} with a status that says whose it is. [Server] serves what an
// [Instance] tells; [Client] asks it. The package knows neither the router nor an engine.
//
// Rows are JSON objects of their columns, in the order of the table pair: see [Row].
package admin
