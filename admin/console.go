package admin

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// consoleFiles are the page at / and what it loads.
//
//go:embed console
var consoleFiles embed.FS

// consolePolicy is what a browser lets the page do: load what this server has, ask it, and
// nothing else.
const consolePolicy = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// consoleTypes are the content types of the files. What a machine thinks of a suffix does not count.
var consoleTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// consoleRoutes are the console: a page for people, which asks the API as any program does.
func (s *Server) consoleRoutes() []route {
	all := []route{{"GET", "/{$}", nil, s.consoleFile("console/index.html")}}
	names, _ := fs.Glob(consoleFiles, "console/*") // the pattern is well-formed
	for _, name := range names {
		all = append(all, route{"GET", "/" + name, nil, s.consoleFile(name)})
	}
	return all
}

// isConsole tells whether a path is one of the console.
func isConsole(path string) bool { return path == "/" || strings.HasPrefix(path, "/console/") }

func (s *Server) consoleFile(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, err := consoleFiles.ReadFile(name)
		if err != nil {
			fail(w, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", consoleTypes[path.Ext(name)])
		h.Set("Content-Security-Policy", consolePolicy)
		h.Set("Referrer-Policy", "no-referrer")
		_, _ = w.Write(text) // whoever asked has gone away
	}
}
