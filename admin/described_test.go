package admin

// described is what the document says of one route; the rest follows from the route and the types.
type described struct {
	id, summary string
	// about is what the summary has no room for.
	about string
	query []parameter
	// body is of the type that the handler decodes, which may be left out; nil: there is none.
	body any
	// status and answer are what is answered if all is well. What is not JSON has a media type.
	status int
	answer any
	media  string
	// fails are the errors of its own, beside those of the way to the handler.
	fails []int
}

// parameter is one of the query.
type parameter struct {
	name, about string
	schema      map[string]any
}

// empty is a body that has nothing to say.
type empty struct{}

var (
	limit = parameter{"limit", "How many entries, at the most.", map[string]any{"type": "integer", "minimum": 1, "maximum": maxLimit, "default": defaultLimit}}
	// asked are the errors of what is asked of a link that may not be open, and acted of what may
	// not be possible as things are.
	asked = []int{409, 500, 503}
	acted = []int{409, 422, 500, 503}
)

// operations describes every route.
var operations = map[string]described{
	"GET /healthz": {id: "health", summary: "Whether the process serves", about: "It needs no token.", status: 200, answer: healthBody{}},
	"GET /readyz": {id: "ready", summary: "Whether every link does what it is for",
		about: "503 with the reasons unless every link is running or in contact, not stalled, not paused and not stopped by its breaker.", status: 200, answer: readyBody{}},
	"GET /metrics":         {id: "metrics", summary: "Metrics, for Prometheus", status: 200, media: "text/plain", fails: []int{}},
	"GET /openapi.json":    {id: "openapi", summary: "This document", status: 200, answer: map[string]any{}},
	"GET /v1/links":        {id: "links", summary: "All links", status: 200, answer: linksBody{}},
	"GET /v1/links/{link}": {id: "link", summary: "One link: its sides and its tables", status: 200, answer: Link{}},
	"POST /v1/links/{link}/pause": {id: "pauseLink", summary: "Pause a link",
		about: "It reads no log and writes nothing until it is resumed, also over restarts; the stores keep in their logs what changes. Answers once that is durable.",
		body:  reasonBody{}, status: 200, answer: Link{}, fails: acted},
	"POST /v1/links/{link}/resume": {id: "resumeLink", summary: "Have a paused link go on", about: "It goes on where it was. A link that is not paused stays as it is.",
		body: empty{}, status: 200, answer: Link{}, fails: acted},
	"GET /v1/links/{link}/barrier": {id: "barrier", summary: "Wait until everything is on the other side",
		about:  "Answers 200 once everything that was committed in either store before the call is in the other one, but for parked rows and paused tables; 504 if that takes longer than wait. 64 barriers may wait at a time.",
		query:  []parameter{{"wait", "How long to wait, up to 5m, in Go's form.", map[string]any{"type": "string", "default": "10s", "examples": []any{"1m30s"}}}},
		status: 200, answer: barrierBody{}, fails: []int{400, 409, 422, 500, 504}},
	"GET /v1/links/{link}/changes": {id: "changes", summary: "What a link reads, live",
		about: "Server-sent events: each change that the link reads from the logs of both stores from now on, with the echoes of what it writes itself. Values of sensitive columns are [redacted]. " +
			"Whoever reads too slowly loses changes, and is told how many by an event lost; the link never waits. A comment is sent when nothing else is for 15 seconds. " +
			"16 streams may be open at a time. A stream ends with an event end when the link or cdcsync stops, or the tokens are replaced.",
		query:  []parameter{{"table", "Only this table; may be given several times.", map[string]any{"type": "array", "items": map[string]any{"type": "string"}}}},
		status: 200, media: "text/event-stream", fails: []int{409, 500}},
	"GET /v1/links/{link}/tables":         {id: "tables", summary: "The tables of a link", status: 200, answer: tablesBody{}},
	"GET /v1/links/{link}/tables/{table}": {id: "table", summary: "One table", status: 200, answer: Table{}},
	"POST /v1/links/{link}/tables/{table}/pause": {id: "pauseTable", summary: "Pause a table",
		about: "Nothing of it is written until it is resumed, also over restarts. What changes in it is kept, up to 2,000 rows; with more, it is compared again in the end.",
		body:  reasonBody{}, status: 200, answer: Table{}, fails: acted},
	"POST /v1/links/{link}/tables/{table}/resume": {id: "resumeTable", summary: "Have a paused table go on",
		about: "Whatever it waits for. One that was changed is bound to the config again first.", body: empty{}, status: 200, answer: Table{}, fails: acted},
	"POST /v1/links/{link}/tables/{table}/resync": {id: "resyncTable", summary: "Compare all rows of a table again",
		about: "By the config, rows are copied and never deleted. By a side, the other one becomes as that is, and what is lost is recorded as conflicts.",
		body:  resyncBody{}, status: 200, answer: Table{}, fails: acted},
	"GET /v1/links/{link}/parked":             {id: "parked", summary: "The rows that wait for a person or for a retry, oldest first", status: 200, answer: parkedRowsBody{}, fails: asked},
	"POST /v1/links/{link}/parked/retry":      {id: "retryAll", summary: "Try all parked rows again", body: empty{}, status: 200, answer: countBody{}, fails: acted},
	"POST /v1/links/{link}/parked/{id}/retry": {id: "retry", summary: "Try a parked row again", body: empty{}, status: 200, answer: countBody{}, fails: acted},
	"POST /v1/links/{link}/parked/{id}/discard": {id: "discard", summary: "Give a parked row up", about: "Both sides keep what they have until one of them changes it again.",
		body: empty{}, status: 200, answer: countBody{}, fails: acted},
	"POST /v1/links/{link}/parked/{id}/resolve": {id: "resolve", summary: "Decide what a parked row is",
		about: "By exactly one of take, row and delete. Answers once both sides have it; it is refused if the row changes meanwhile.",
		body:  resolveBody{}, status: 200, answer: countBody{}, fails: acted},
	"GET /v1/links/{link}/conflicts": {id: "conflicts", summary: "The latest conflicts, newest first", about: "Both stores keep the newest 10,000 of a link, for as long as keep_conflicts says.",
		query: []parameter{limit}, status: 200, answer: conflictsBody{}, fails: append([]int{400}, asked...)},
	"POST /v1/links/{link}/conflicts/{side}/{id}/revert": {id: "revert", summary: "Write back what a decision did away with",
		about: "As a change of its own. It is refused if the row is not as the decision left it.", body: revertBody{}, status: 200, answer: countBody{}, fails: acted},
	"POST /v1/links/{link}/conflicts/replay": {id: "replay", summary: "Decide the recorded conflicts again, by another policy", about: "Nothing is written.",
		body: ReplayRequest{}, status: 200, answer: Replay{}, fails: acted},
	"GET /v1/links/{link}/shadow": {id: "shadow", summary: "The last rows that would have been written in a direction in shadow, newest first", status: 200, answer: shadowBody{}, fails: asked},
	"POST /v1/links/{link}/verify": {id: "verify", summary: "Compare both stores, as a job",
		about: "The link goes on meanwhile. The header Location says where the job is.", body: VerifyRequest{}, status: 202, answer: Job{}, fails: acted},
	"GET /v1/jobs":          {id: "jobs", summary: "The jobs that run, and the last that have ended, oldest first", status: 200, answer: jobsBody{}},
	"GET /v1/jobs/{job}":    {id: "job", summary: "One job", status: 200, answer: Job{}},
	"DELETE /v1/jobs/{job}": {id: "cancelJob", summary: "Have a job end soon", status: 202, answer: Job{}},
	"POST /v1/reload": {id: "reload", summary: "Read the config again",
		about: "As SIGHUP does. Tables, columns, policies, filters, tokens, hosts and certificates are taken up; what cannot be changed is refused with the reason, and nothing changes then.",
		body:  empty{}, status: 200, answer: linksBody{}, fails: acted},
	"GET /v1/log":         {id: "log", summary: "The last lines of the log, oldest first", query: []parameter{limit}, status: 200, answer: logBody{}, fails: []int{400}},
	"GET /v1/log-level":   {id: "logLevel", summary: "What is logged from", status: 200, answer: levelBody{}},
	"PUT /v1/log-level":   {id: "setLogLevel", summary: "Change what is logged, until the next start", body: levelBody{}, status: 200, answer: levelBody{}, fails: []int{422}},
	"GET /":               {id: "console", summary: "The console, a page for people", about: "It needs no token, and asks for one.", status: 200, media: "text/html"},
	"GET /console/{file}": {id: "consoleFile", summary: "A part of the console", status: 200, media: "*/*"},
}

// named describes what stands in paths.
var named = map[string]string{
	"link": "The name of a link in the config.", "table": "The name of a table pair.", "id": "What names the row, or the conflict, in its list.",
	"side": "The side whose store recorded the conflict: left or right.", "job": "The id of a job.", "file": "The name of the file.",
}

// words are the fields that have one of a few words.
var words = map[string][]string{
	"Link.state": states(), "Table.stage": stages(), "Link.direction": {"both", "left_to_right", "right_to_left"},
	"Table.pass": {"left", "right"}, "Conflict.side": {"left", "right"}, "Shadowed.side": {"left", "right"}, "Change.side": {"left", "right"},
	"Change.origin": {"local", "echo"}, "Change.operation": {"insert", "update", "delete"},
	"Job.state": {JobRunning, JobDone, JobFailed, JobCanceled}, "Job.kind": {"verify"},
	"VerifiedPair.verdict": {"equal", "differs", "busy"}, "VerifiedPair.method": {"digests", "rows", "keys"},
	"Difference.what":  {"left only", "right only", "differs", "busy"},
	"VerifyRequest.by": {"left", "right"}, "ResyncBody.by": {"", "left", "right"}, "ResolveBody.take": {"left", "right"}, "RevertBody.take": {"", "left", "right"},
	"ReplayRequest.policy": {"latest", "left", "right", "merge", "manual"}, "ReplayRequest.deletes": {"delete_wins", "update_wins"},
}
