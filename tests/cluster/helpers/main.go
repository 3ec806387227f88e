// Command helpers says what Kubernetes, Go and the container runtimes make of texts, one JSON question a line: the
// helpers of @bylaw/sdk are compared with it (sdk-ts/test/upstream.test.ts).
package main

import (
	"bufio"
	"encoding/json"
	"net/netip"
	"os"
	"time"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

type question struct {
	Helper string                `json:"helper"`
	Text   string                `json:"text"`
	Other  string                `json:"other"`
	Labels map[string]string     `json:"labels"`
	Select *metav1.LabelSelector `json:"select"`
}

type answer struct {
	Error bool   `json:"error,omitempty"`
	Text  string `json:"text,omitempty"`
	// Of a comparison, a sum, a match; what it means depends on the helper.
	Order int      `json:"order"`
	Sum   string   `json:"sum,omitempty"`
	Is    bool     `json:"is"`
	Parts []string `json:"parts,omitempty"`
}

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	defer out.Flush()
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	for decoder.More() {
		var asked question
		if err := decoder.Decode(&asked); err != nil {
			panic(err)
		}
		if err := encoder.Encode(reply(asked)); err != nil {
			panic(err)
		}
	}
}

func reply(asked question) answer {
	switch asked.Helper {
	case "quantity":
		return quantity(asked)
	case "duration":
		return duration(asked)
	case "image":
		return image(asked)
	case "selector":
		return selector(asked)
	case "cidr":
		return cidr(asked)
	}
	panic(asked.Helper)
}

func quantity(asked question) answer {
	one, err := resource.ParseQuantity(asked.Text)
	if err != nil {
		return answer{Error: true}
	}
	other, err := resource.ParseQuantity(asked.Other)
	if err != nil {
		return answer{Error: true}
	}
	// A quantity remembers how it was written until it is changed.
	one.Neg()
	one.Neg()
	sum := one.DeepCopy()
	sum.Add(other)
	return answer{Text: one.String(), Order: one.Cmp(other), Sum: sum.String()}
}

func duration(asked question) answer {
	one, err := time.ParseDuration(asked.Text)
	if err != nil {
		return answer{Error: true}
	}
	return answer{Text: one.String()}
}

func image(asked question) answer {
	named, err := reference.ParseNormalizedNamed(asked.Text)
	if err != nil {
		return answer{Error: true}
	}
	parts := []string{reference.Domain(named), reference.Path(named), "", ""}
	if tagged, ok := named.(reference.Tagged); ok {
		parts[2] = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		parts[3] = digested.Digest().String()
	}
	return answer{Parts: parts}
}

func selector(asked question) answer {
	selects, err := metav1.LabelSelectorAsSelector(asked.Select)
	if err != nil {
		return answer{Error: true}
	}
	return answer{Is: selects.Matches(labels.Set(asked.Labels))}
}

func cidr(asked question) answer {
	one, err := netip.ParsePrefix(asked.Text)
	if err != nil {
		return answer{Error: true}
	}
	other, err := netip.ParsePrefix(asked.Other)
	if err != nil {
		return answer{Error: true}
	}
	masked := one.Masked()
	return answer{Text: masked.String(), Is: masked.Bits() <= other.Bits() && masked.Contains(other.Addr()), Order: btoi(masked.Overlaps(other.Masked()))}
}

func btoi(is bool) int {
	if is {
		return 1
	}
	return 0
}
