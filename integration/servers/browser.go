package servers

import (
	"context"
	"fmt"
	"os"
)

const browserVariable = "CDCSYNC_TEST_CHROMIUM"

// Chromium is the browser of that name in its form without a display, with one family of fonts.
// It starts itself again for its parts, which it finds by its own file, so it is run as PGLoader is.
func Chromium(ctx context.Context) (*Tool, error) {
	if path := os.Getenv(browserVariable); path != "" {
		return &Tool{path: path}, nil
	}
	b := debian("chromium-headless-shell")
	b.packages = append(b.packages, "fonts-dejavu-core")
	b.without = []string{"libgl1-mesa-dri", "libllvm*", "libz3-*"} // drivers of graphics cards
	t, err := b.tool(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w\ninstall Chromium, and set %s to its program", err, browserVariable)
	}
	t.runAsIs("usr/lib/chromium/chromium-headless-shell", "usr/lib/*-linux-gnu*", "usr/lib/*-linux-gnu*/pulseaudio")
	t.variables = []string{"FONTCONFIG_SYSROOT=" + t.root}
	return t, nil
}
