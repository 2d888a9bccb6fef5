// Package openapi checks what a server answers against its OpenAPI document, for tests.
package openapi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Document is an OpenAPI document. It is safe for concurrent use.
type Document struct {
	operations []*operation
	compiler   *jsonschema.Compiler

	mu   sync.Mutex
	seen map[string]bool
}

// operation is what can be asked for.
type operation struct {
	method, path string
	pattern      *regexp.Regexp
	at           string // a pointer into the document
	query        []string
	body         bool
	// answers are pointers to what an answer has, by status and media type.
	answers map[string]map[string]string
	events  []string
}

// base is the address under which schemas are compiled.
const base = "https://cdcsync.invalid/openapi.json"

// spec is what is read of a document. References are followed only where this document has them.
type spec struct {
	OpenAPI    string
	Paths      map[string]map[string]specOperation
	Components struct{ Responses map[string]specAnswer }
}

type specOperation struct {
	OperationID, Summary string
	Parameters           []struct{ Name, In string }
	RequestBody          *struct{}
	Responses            map[string]specAnswer
}

type specAnswer struct {
	Ref         string `json:"$ref"`
	Description string
	Content     map[string]struct {
		Events map[string]any `json:"x-events"`
	}
}

// Parse reads a document, and fails if it contradicts itself. Answers are checked strictly: what a
// schema does not name must not be there.
func Parse(text []byte) (*Document, error) {
	var s spec
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("parse the document: %w", err)
	}
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parse the document: %w", err)
	}
	restrict(tree)
	d := &Document{compiler: jsonschema.NewCompiler(), seen: map[string]bool{}}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource(base, tree); err != nil {
		return nil, fmt.Errorf("parse the document: %w", err)
	}
	if s.OpenAPI != "3.1.0" {
		return nil, fmt.Errorf("the document is of OpenAPI %q", s.OpenAPI)
	}
	var errs []error
	ids := map[string]bool{}
	for path, methods := range s.Paths {
		for method, o := range methods {
			if o.Summary == "" || o.OperationID == "" || ids[o.OperationID] {
				errs = append(errs, fmt.Errorf("%s %s has no summary, or no operationId of its own", method, path))
			}
			ids[o.OperationID] = true
			x, err := newOperation(path, method, &o, s.Components.Responses)
			errs = append(errs, err)
			d.operations = append(d.operations, x)
		}
	}
	for _, x := range d.operations {
		errs = append(errs, d.compileAll(x))
	}
	return d, errors.Join(errs...)
}

// restrict has every schema with properties allow no others.
func restrict(tree any) {
	switch x := tree.(type) {
	case map[string]any:
		if _, ok := x["properties"].(map[string]any); ok && x["additionalProperties"] == nil {
			x["additionalProperties"] = false
		}
		for _, v := range x {
			restrict(v)
		}
	case []any:
		for _, v := range x {
			restrict(v)
		}
	}
}

var braces = regexp.MustCompile(`\\\{(\w+)\\\}`)

func newOperation(path, method string, o *specOperation, shared map[string]specAnswer) (*operation, error) {
	x := &operation{
		method: strings.ToUpper(method), path: path, answers: map[string]map[string]string{}, body: o.RequestBody != nil,
		pattern: regexp.MustCompile("^" + braces.ReplaceAllString(regexp.QuoteMeta(path), "([^/]+)") + "$"),
		at:      "#/paths/" + escape(path) + "/" + method,
	}
	var errs []error
	var named []string
	for _, p := range o.Parameters {
		if p.In == "query" {
			x.query = append(x.query, p.Name)
			continue
		}
		named = append(named, p.Name)
	}
	for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
		if !slices.Contains(named, m[1]) {
			errs = append(errs, fmt.Errorf("%s %s does not describe {%s}", x.method, path, m[1]))
		}
	}
	for status, a := range o.Responses {
		at := x.at + "/responses/" + status
		if name, ok := strings.CutPrefix(a.Ref, "#/components/responses/"); ok {
			a, at = shared[name], a.Ref
		}
		x.answers[status] = map[string]string{}
		if a.Description == "" {
			errs = append(errs, fmt.Errorf("%s %s does not describe its %s", x.method, path, status))
		}
		for media, content := range a.Content {
			x.answers[status][media] = at + "/content/" + escape(media)
			for kind := range content.Events {
				x.events = append(x.events, kind)
			}
		}
	}
	return x, errors.Join(errs...)
}

func escape(name string) string {
	name = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	return url.PathEscape(name)
}

// compileAll compiles every schema of an operation, so that references that lead nowhere are found.
func (d *Document) compileAll(x *operation) error {
	var errs []error
	compile := func(at string) {
		_, err := d.compiler.Compile(base + at)
		errs = append(errs, err)
	}
	if x.body {
		compile(x.at + "/requestBody/content/application~1json/schema")
	}
	for _, answer := range x.answers {
		for _, at := range answer {
			compile(at + "/schema")
		}
	}
	return errors.Join(errs...)
}

// Operations lists what can be asked for, as "METHOD /path", in order.
func (d *Document) Operations() []string {
	var list []string
	for _, x := range d.operations {
		list = append(list, x.method+" "+x.path)
	}
	slices.Sort(list)
	return list
}

// Operation returns which operation a request is, as "METHOD /path".
func (d *Document) Operation(method, target string) (string, error) {
	x, _, err := d.find(method, target)
	if err != nil {
		return "", err
	}
	return x.method + " " + x.path, nil
}

// Request checks a request, which is meant to be a good one.
func (d *Document) Request(method, target string, body []byte) error {
	x, u, err := d.find(method, target)
	if err != nil {
		return err
	}
	for name := range u.Query() {
		if !slices.Contains(x.query, name) {
			return fmt.Errorf("%s %s: no parameter %q is described", method, x.path, name)
		}
	}
	if len(body) == 0 {
		return nil
	}
	if !x.body {
		return fmt.Errorf("%s %s: no body is described", method, x.path)
	}
	return d.validate(x.at+"/requestBody/content/application~1json/schema", body)
}

// Answer checks an answer.
func (d *Document) Answer(method, target string, status int, contentType string, body []byte) error {
	x, _, err := d.find(method, target)
	if err != nil {
		return err
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("%s %s: content type %q: %w", method, target, contentType, err)
	}
	code := strconv.Itoa(status)
	at, ok := x.answers[code][media]
	if !ok {
		return fmt.Errorf("%s %s: an answer %d of %s is not described: %.200s", x.method, x.path, status, media, body)
	}
	d.mu.Lock()
	d.seen[x.method+" "+x.path+" "+code] = true
	d.mu.Unlock()
	switch media {
	case "application/json":
		err = d.validate(at+"/schema", body)
	case "text/event-stream":
		err = d.stream(x, at, body)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %d: %w: %.2000s", method, target, status, err, body)
	}
	return nil
}

// Unseen lists the answers of all operations that Answer has not met, as "METHOD /path status".
func (d *Document) Unseen() (list []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range d.operations {
		for status := range x.answers {
			if name := x.method + " " + x.path + " " + status; !d.seen[name] {
				list = append(list, name)
			}
		}
	}
	slices.Sort(list)
	return list
}

// stream checks server-sent events.
func (d *Document) stream(x *operation, at string, body []byte) error {
	kind := ""
	for lines := bufio.NewScanner(bytes.NewReader(body)); lines.Scan(); {
		switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
		case "event":
			if kind = value; !slices.Contains(x.events, kind) {
				return fmt.Errorf("an event %q is not described", kind)
			}
		case "data":
			if err := d.validate(at+"/x-events/"+kind, []byte(value)); err != nil {
				return err
			}
		case "": // a comment, or the end of an event
		default:
			return fmt.Errorf("a line is no part of an event: %q", lines.Text())
		}
	}
	return nil
}

func (d *Document) validate(at string, text []byte) error {
	schema, err := d.compiler.Compile(base + at)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

// find returns the operation of a request. Of several that fit, the one with fewest names in its path.
func (d *Document) find(method, target string) (best *operation, u *url.URL, err error) {
	if u, err = url.Parse(target); err != nil {
		return nil, nil, err
	}
	for _, x := range d.operations {
		if x.method == method && x.pattern.MatchString(u.EscapedPath()) &&
			(best == nil || strings.Count(x.path, "{") < strings.Count(best.path, "{")) {
			best = x
		}
	}
	if best == nil {
		return nil, nil, fmt.Errorf("%s %s is not described", method, u.Path)
	}
	return best, u, nil
}
