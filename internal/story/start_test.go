package story

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postseal/internal/lab"
)

// TestNoQuestions: no verb asks the terminal anything. Some terminals never
// answer, and whoever waits for them makes a person wait.
func TestNoQuestions(t *testing.T) {
	conf := aConfiguration(t)
	for _, args := range [][]string{{"version"}, {"--help"}, {"questions"}, {"history"}, {"plan", "--no-color"}, {"audit", "--no-color"}} {
		argv := append([]string{binary}, append(args, "--config-dir", conf, "--state-dir", t.TempDir())...)
		term, err := Start(context.Background(), Look{Width: 80, Height: 24, Mute: true}, argv...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := term.Wait(10 * time.Second); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		if raw := term.Raw(); raw == "" || strings.Contains(raw, "\x1b") {
			t.Errorf("%v sent %.200q", args, raw)
		}
	}
}

// BenchmarkFirstFrame is the time from starting the wizard, on a terminal that
// answers no question, to the first frame; beside it, a shell that says one
// word. The target is 20 ms.
func BenchmarkFirstFrame(b *testing.B) {
	conf := aConfiguration(b)
	until := func(want string, argv ...string) time.Duration {
		start := time.Now()
		term, err := Start(context.Background(), Look{Width: 80, Height: 24, Mute: true}, argv...)
		if err != nil {
			b.Fatal(err)
		}
		defer term.Kill()
		for !strings.Contains(term.Raw(), want) {
			if time.Since(start) > 10*time.Second {
				b.Fatalf("%v never showed %q", argv, want)
			}
			time.Sleep(100 * time.Microsecond)
		}
		return time.Since(start)
	}
	state := b.TempDir()
	var ours, shell time.Duration
	for b.Loop() {
		ours += until("postseal", binary, "--config-dir", conf, "--state-dir", state)
		shell += until("ready", "sh", "-c", "echo ready; sleep 10")
	}
	b.ReportMetric(float64(ours.Microseconds())/1000/float64(b.N), "ms/frame")
	b.ReportMetric(float64(ours)/float64(shell), "frame/shell")
}

// aConfiguration is a folder with main.cf and master.cf that nothing runs on.
func aConfiguration(t testing.TB) string {
	t.Helper()
	lab.Need(t, "postconf")
	dir := lab.Dir(t)
	lab.Write(t, dir, "conf/main.cf", ageingMain, 0o644)
	lab.Write(t, dir, "conf/master.cf", ageingMaster, 0o644)
	return filepath.Join(dir, "conf")
}
