package admin

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

var update = flag.Bool("update", false, "write openapi.json")

// tree is a JSON object. Its names come out in alphabetical order.
type tree = map[string]any

// TestOpenAPIDocument makes the document of the routes, their description, the types, and the
// comments on them. It has to be the one that is served.
func TestOpenAPIDocument(t *testing.T) {
	made := makeDocument(t)
	if *update {
		if err := os.WriteFile("openapi.json", made, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(made, document) {
		t.Error("openapi.json is not what the routes, the types and their comments say: make openapi writes it anew")
	}
}

// documented is the path under which the document has a route: files of the console are one, and so
// is its page.
func documented(x route) (method, path string) {
	path = strings.TrimSuffix(x.path, "{$}")
	if strings.HasPrefix(path, "/console/") {
		path = "/console/{file}"
	}
	return x.method, path
}

// maker makes the document.
type maker struct {
	t        *testing.T
	schemas  tree
	types    map[string]reflect.Type // of schemas
	comments map[string]string       // of types, and of their fields, as Type.Field
}

func makeDocument(t *testing.T) []byte {
	t.Helper()
	m := &maker{t: t, schemas: tree{}, types: map[string]reflect.Type{}, comments: comments(t)}
	s := NewServer(newFake(), Settings{}, hclog.NewNullLogger())
	paths, met := tree{}, map[string]bool{}
	for _, x := range s.routes() {
		method, path := documented(x)
		o, ok := operations[method+" "+path]
		if !ok {
			t.Errorf("%s %s is not described", method, path)
			continue
		}
		met[method+" "+path] = true
		if paths[path] == nil {
			paths[path] = tree{}
		}
		paths[path].(tree)[strings.ToLower(method)] = m.operation(&x, path, &o)
	}
	for name := range operations {
		if !met[name] {
			t.Errorf("%s is described, and there is no such route", name)
		}
	}
	text, err := json.MarshalIndent(tree{
		"openapi": "3.1.0",
		"info": tree{
			"title": "cdcsync admin API", "version": "v1", "license": tree{"name": "Apache 2.0", "identifier": "Apache-2.0"},
			"description": "What a running cdcsync knows, and what somebody on call does to it. Every GET is answered to HEAD, too, without a body. " +
				"A body is JSON of at most 64 KiB, with the header Content-Type: application/json; names that are not described are refused. " +
				"Names in answers that are not described may come in later versions. The Host header has to be localhost, the address that cdcsync listens on, or one of admin.hosts.",
		},
		"servers":  []any{tree{"url": "http://127.0.0.1:8480", "description": "admin.listen of the config"}},
		"security": []any{tree{"token": []any{}}, tree{}},
		"paths":    paths,
		"components": tree{
			"schemas":   m.schemas,
			"responses": m.refusals(),
			"securitySchemes": tree{"token": tree{"type": "http", "scheme": "bearer",
				"description": "admin.read_token for GET, admin.operate_token for everything. Without tokens in the config, none is needed."}},
		},
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func (m *maker) operation(x *route, path string, o *described) tree {
	made := tree{"operationId": o.id, "summary": o.summary}
	if o.about != "" {
		made["description"] = o.about
	}
	var parameters []any
	for _, found := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
		parameters = append(parameters, tree{"name": found[1], "in": "path", "required": true, "description": named[found[1]], "schema": tree{"type": "string"}})
	}
	for _, p := range o.query {
		parameters = append(parameters, tree{"name": p.name, "in": "query", "description": p.about, "schema": p.schema})
	}
	if parameters != nil {
		made["parameters"] = parameters
	}
	if o.body != nil {
		schema := m.schema(reflect.TypeOf(o.body))
		made["requestBody"] = tree{"content": tree{"application/json": tree{"schema": schema}}}
	}
	responses := tree{strconv.Itoa(o.status): tree{"description": "All is well.", "content": m.content(o)}}
	for _, status := range m.errors(x, path, o) {
		responses[strconv.Itoa(status)] = tree{"$ref": "#/components/responses/" + refusalName(status)}
	}
	if path == "/readyz" {
		responses["503"] = tree{"description": "Not every link does what it is for; or too many requests are being answered already.",
			"content": tree{"application/json": tree{"schema": tree{"anyOf": []any{m.schema(reflect.TypeFor[readyBody]()), m.schema(reflect.TypeFor[errorBody]())}}}}}
	}
	made["responses"] = responses
	return made
}

// content is what an operation answers.
func (m *maker) content(o *described) tree {
	switch o.media {
	case "":
		return tree{"application/json": tree{"schema": m.schema(reflect.TypeOf(o.answer))}}
	case "*/*":
		all := tree{}
		for _, media := range consoleTypes {
			name, _, _ := strings.Cut(media, ";")
			all[name] = tree{"schema": tree{"type": "string"}}
		}
		return all
	case "text/event-stream":
		change := m.schema(reflect.TypeFor[Change]())
		return tree{o.media: tree{
			"schema":   tree{"type": "string", "description": "Events as of the HTML standard. The data of each is one line of JSON, of the schema that x-events has for it."},
			"x-events": tree{KindChange: change, KindEmptied: change, KindAltered: change, "lost": m.schema(reflect.TypeFor[lostBody]()), "end": m.schema(reflect.TypeFor[endBody]())},
		}}
	}
	return tree{o.media: tree{"schema": tree{"type": "string"}}}
}

// errors are what else an operation answers: what its way to the handler may bring, and its own.
func (m *maker) errors(x *route, path string, o *described) []int {
	all := append([]int{403, 413}, o.fails...)
	if guarded := path != "/healthz" && !isConsole(path); guarded {
		all = append(all, 401, 429)
	}
	if x.room != nil {
		all = append(all, 503)
	}
	if strings.Contains(path, "{") && !isConsole(path) {
		all = append(all, 404)
	}
	if o.body != nil {
		all = append(all, 400, 415)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func refusalName(status int) string { return strings.ReplaceAll(http.StatusText(status), " ", "") }

// refusals are the answers that many operations share.
func (m *maker) refusals() tree {
	all := tree{}
	for status, about := range map[int]string{
		400: "The body or a parameter is not as it has to be.",
		401: "No token is shown, or a wrong one.",
		403: "The token does not allow it, the Host header does not name this server, or a page of another origin asks.",
		404: "There is no such link, table or job.",
		409: "The link is stopped.",
		413: "The body is too long, or there must be none.",
		415: "The body is not said to be JSON.",
		422: "It cannot be done as things are.",
		429: "There were too many wrong tokens from this address.",
		500: "Something failed.",
		503: "The link does not answer now, or too many requests are being answered already.",
		504: "What was committed before the call is not in both stores yet.",
	} {
		answer := tree{"description": about, "content": tree{"application/json": tree{"schema": m.schema(reflect.TypeFor[errorBody]())}}}
		switch status {
		case 401:
			answer["headers"] = tree{"WWW-Authenticate": tree{"description": "Asks for a token.", "schema": tree{"type": "string"}}}
		case 429, 503:
			answer["headers"] = tree{"Retry-After": tree{"description": "After how many seconds it is worth to try again.", "schema": tree{"type": "integer"}}}
		}
		all[refusalName(status)] = answer
	}
	return all
}

// schema is that of a Go type. Structs are components of their own.
func (m *maker) schema(t reflect.Type) tree {
	switch {
	case t == reflect.TypeFor[Row]():
		m.schemas["Row"] = rowSchema(m.comments["Row"])
		return tree{"$ref": "#/components/schemas/Row"}
	case t == reflect.TypeFor[time.Time]():
		return tree{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage](), t == reflect.TypeFor[tree]():
		return tree{"type": "object"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return m.schema(t.Elem())
	case reflect.Slice:
		return tree{"type": "array", "items": m.schema(t.Elem())}
	case reflect.Map:
		return tree{"type": "object", "additionalProperties": m.schema(t.Elem())}
	case reflect.String:
		return tree{"type": "string"}
	case reflect.Bool:
		return tree{"type": "boolean"}
	case reflect.Float64:
		return tree{"type": "number"}
	case reflect.Int, reflect.Int64:
		return tree{"type": "integer"}
	case reflect.Uint64:
		return tree{"type": "integer", "minimum": 0}
	case reflect.Struct:
		return m.component(t)
	}
	m.t.Fatalf("%s has no schema", t)
	return nil
}

// component makes the schema of a struct a component, and returns a reference to it.
func (m *maker) component(t reflect.Type) tree {
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	if kept := strings.TrimSuffix(name, "Body"); m.isAnswer(t) {
		name = kept
	}
	ref := tree{"$ref": "#/components/schemas/" + name}
	if m.schemas[name] != nil {
		if m.types[name] != t {
			m.t.Errorf("two types are called %s: %s and %s", name, t, m.types[name])
		}
		return ref
	}
	made := tree{"type": "object"}
	m.schemas[name], m.types[name] = made, t
	properties, required := tree{}, []string{}
	for _, f := range fieldsOf(t) {
		word, omitted := nameOf(f)
		property := m.schema(f.Type)
		if text := m.comments[t.Name()+"."+f.Name]; text != "" {
			property["description"] = text
		}
		if list := words[name+"."+word]; list != nil {
			property["enum"] = list
		}
		properties[word] = property
		if !omitted {
			required = append(required, word)
		}
	}
	if len(properties) > 0 {
		made["properties"] = properties
	}
	if len(required) > 0 {
		made["required"] = required
	}
	if text := m.comments[t.Name()]; text != "" {
		made["description"] = text
	}
	if !m.isAnswer(t) {
		made["additionalProperties"] = false
	}
	return ref
}

// isAnswer tells whether a type is one of what is answered, and not of what is asked. One is both.
func (m *maker) isAnswer(t reflect.Type) bool {
	for _, o := range operations {
		if o.body != nil && reflect.TypeOf(o.body) == t && (o.answer == nil || reflect.TypeOf(o.answer) != t) {
			return false
		}
	}
	return true
}

// fieldsOf lists the fields of a struct that are in its JSON, those of structs in it among them.
func fieldsOf(t reflect.Type) (fields []reflect.StructField) {
	for i := range t.NumField() {
		switch f := t.Field(i); {
		case f.Anonymous:
			fields = append(fields, fieldsOf(f.Type)...)
		case f.Tag.Get("json") != "-":
			fields = append(fields, f)
		}
	}
	return fields
}

// nameOf is what a field is called in JSON, and whether it may be left out.
func nameOf(f reflect.StructField) (name string, omitted bool) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name, strings.Contains(options, "omitempty")
}

func rowSchema(comment string) tree {
	return tree{
		"type": []string{"object", "null"}, "description": comment,
		"additionalProperties": tree{"anyOf": []any{
			tree{"type": []string{"null", "boolean", "number", "string"}},
			tree{"type": "object", "properties": tree{"bytes": tree{"type": "string", "contentEncoding": "base64"}}, "required": []string{"bytes"}},
		}},
	}
}

// comments are those on the types of this package, and on their fields, with the names of JSON for
// those of Go. A field without one has that of the field before, if that names it.
func comments(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			d, ok := n.(*ast.GenDecl)
			if !ok {
				return true
			}
			for _, spec := range d.Specs {
				if x, ok := spec.(*ast.TypeSpec); ok {
					if s, ok := x.Type.(*ast.StructType); ok {
						doc := x.Doc
						if doc == nil {
							doc = d.Doc
						}
						maps.Copy(all, commentsOf(x.Name.Name, doc.Text(), s))
					}
				}
			}
			return true
		})
	}
	return all
}

func commentsOf(name, doc string, s *ast.StructType) map[string]string {
	words := map[string]string{}
	for _, f := range s.Fields.List {
		for _, n := range f.Names {
			if f.Tag != nil {
				word, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
				words[n.Name] = "`" + word + "`"
			}
		}
	}
	inJSON := func(text string) string {
		text = strings.TrimSpace(strings.NewReplacer("[", "", "]", "", "\n", " ").Replace(text))
		return regexp.MustCompile(`\b[A-Z]\w*\b`).ReplaceAllStringFunc(text, func(word string) string {
			if in, ok := words[word]; ok {
				return in
			}
			return word
		})
	}
	all := map[string]string{name: strings.Join(strings.Fields(doc), " ")}
	before := ""
	for _, f := range s.Fields.List {
		for _, n := range f.Names {
			text := f.Doc.Text()
			if text == "" {
				text = f.Comment.Text()
			}
			if text == "" && regexp.MustCompile(`\b`+n.Name+`\b`).MatchString(before) {
				text = before
			}
			if text != "" {
				before = text
			}
			all[name+"."+n.Name] = inJSON(text)
		}
	}
	return all
}
