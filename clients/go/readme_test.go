package carillon_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// flat takes the indentation away, which differs between a page and a function.
func flat(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimLeft(line, " \t")
	}
	return strings.Join(lines, "\n")
}

// All Go on the page stands in an example or a test too, which the compiler reads and most of which runs.
func TestTheREADMEsCodeIsThatOfExamples(t *testing.T) {
	var sources strings.Builder
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || !strings.Contains(path, "example") {
			return err
		}
		text, err := os.ReadFile(path)
		sources.WriteString(flat(string(text)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}

	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) == 0 {
		t.Fatal("the page has no Go")
	}
	for _, block := range blocks {
		if !strings.Contains(sources.String(), flat(block[1])) {
			t.Errorf("no example has\n%s", block[1])
		}
	}
}
