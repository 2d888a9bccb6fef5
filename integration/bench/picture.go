package main

import (
	"cmp"
	"fmt"
	"html"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// picture is the contestants of one benchmark in one unit, as bars.
type picture struct {
	name, unit string
	groups     []group
}

// group is the bars of one load.
type group struct {
	name string
	bars []bar
}

type bar struct {
	name  string
	value float64
}

// draw writes a picture for each benchmark and unit to a directory.
func (r *report) draw(directory string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	for _, p := range r.pictures() {
		file := strings.ToLower(p.name) + "-" + strings.ReplaceAll(p.unit, "/", "-per-") + ".svg"
		if err := os.WriteFile(filepath.Join(directory, file), []byte(p.svg()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// pictures sorts the results by benchmark and unit.
func (r *report) pictures() (all []*picture) {
	for _, one := range r.Results {
		name, load, _ := strings.Cut(one.Name, "/")
		for _, unit := range units {
			g := group{name: load}
			for _, metric := range slices.Sorted(maps.Keys(one.Metrics)) {
				if contestant, ok := strings.CutSuffix(metric, "-"+unit); ok {
					g.bars = append(g.bars, bar{contestant, one.Metrics[metric]})
				}
			}
			if len(g.bars) == 0 {
				continue
			}
			slices.SortStableFunc(g.bars, func(a, b bar) int { return cmp.Compare(rank(a.name), rank(b.name)) })
			i := slices.IndexFunc(all, func(p *picture) bool { return p.name == name && p.unit == unit })
			if i < 0 {
				i = len(all)
				all = append(all, &picture{name: name, unit: unit})
			}
			all[i].groups = append(all[i].groups, g)
		}
	}
	return all
}

// rank puts the link before its peers.
func rank(contestant string) int {
	if isOurs(contestant) {
		return 0
	}
	return 1
}

func isOurs(contestant string) bool {
	return strings.HasPrefix(contestant, "one-way") || strings.HasPrefix(contestant, "two-way") || contestant == "link" || strings.HasSuffix(contestant, "%")
}

const (
	width, left, right = 720, 250, 90
	barHeight, gap     = 16, 14
)

// svg draws the picture.
func (p *picture) svg() string {
	most, height := 0.0, 34
	for _, g := range p.groups {
		height += gap + barHeight*len(g.bars)
		for _, b := range g.bars {
			most = max(most, b.value)
		}
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12">`+"\n", width, height+gap)
	fmt.Fprintf(&s, `<rect width="100%%" height="100%%" fill="#fff"/><text x="10" y="20" font-size="14" font-weight="bold">%s, %s</text>`+"\n", html.EscapeString(p.name), p.unit)
	y := 34
	for _, g := range p.groups {
		y += gap
		fmt.Fprintf(&s, `<text x="10" y="%d">%s</text>`+"\n", y+12, html.EscapeString(g.name))
		for _, b := range g.bars {
			colour := "#9aa5b1"
			if isOurs(b.name) {
				colour = "#2f6f9f"
			}
			length := 1.0
			if most > 0 {
				length = max(1, b.value/most*(width-left-right))
			}
			fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="end">%s</text><rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/><text x="%.1f" y="%d">%s</text>`+"\n",
				left-6, y+12, html.EscapeString(b.name), left, y+2, length, barHeight-3, colour, left+length+5, y+12, number(b.value))
			y += barHeight
		}
	}
	s.WriteString("</svg>\n")
	return s.String()
}
