// Evaluates pods with the upstream implementation of the Pod Security Standards: a pod as JSON on each line of standard
// input, the names of the checks that it fails at each level and version on the same line of standard output.
//
// A line holds, for each level, the first of the versions v1.0, v1.1, … , v1.<newest>, latest and those at which the
// answer changes: "baseline/v1.0:hostPorts,sysctls baseline/v1.27:hostPorts restricted/v1.0:…". The one argument is the
// newest minor version to ask for.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/json"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(arguments []string, in io.Reader, out io.Writer) error {
	if len(arguments) != 1 {
		return fmt.Errorf("usage: podsecurity NEWEST-MINOR-VERSION")
	}
	newest, err := strconv.Atoi(arguments[0])
	if err != nil {
		return err
	}
	evaluator, err := policy.NewEvaluator(namedChecks(), nil)
	if err != nil {
		return err
	}
	reader, writer := bufio.NewReaderSize(in, 1<<20), bufio.NewWriterSize(out, 1<<20)
	versions := versionsUpTo(newest)
	for number := 1; ; number++ {
		line, err := reader.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return writer.Flush()
		}
		if err != nil && err != io.EOF {
			return err
		}
		pod, err := decode(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		fmt.Fprintln(writer, answer(evaluator, versions, pod))
		// Whoever sends one pod at a time waits for its answer.
		if reader.Buffered() == 0 {
			if err := writer.Flush(); err != nil {
				return err
			}
		}
	}
}

// namedChecks are the upstream checks, each made to give its name as the reason: a result does not hold it otherwise.
func namedChecks() []policy.Check {
	checks := policy.DefaultChecks()
	for _, check := range checks {
		for i := range check.Versions {
			original := check.Versions[i].CheckPod
			check.Versions[i].CheckPod = func(meta *metav1.ObjectMeta, spec *corev1.PodSpec) policy.CheckResult {
				result := original(meta, spec)
				result.ForbiddenReason = string(check.ID)
				return result
			}
		}
	}
	return checks
}

func versionsUpTo(newest int) []api.Version {
	var versions []api.Version
	for minor := 0; minor <= newest; minor++ {
		versions = append(versions, api.MajorMinorVersion(1, minor))
	}
	return append(versions, api.LatestVersion())
}

// decode reads a pod as the API server does: names of fields count by the letter. A field that there is not is an error,
// since a check that looks for it would never be asked.
func decode(line []byte) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	strict, err := json.UnmarshalStrict(line, pod, json.DisallowUnknownFields)
	if err != nil {
		return nil, err
	}
	if len(strict) > 0 {
		return nil, strict[0]
	}
	// No admission sees a volume without a source: the API server's defaults come first.
	for i := range pod.Spec.Volumes {
		if pod.Spec.Volumes[i].VolumeSource == (corev1.VolumeSource{}) {
			pod.Spec.Volumes[i].EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
	}
	return pod, nil
}

func answer(evaluator policy.Evaluator, versions []api.Version, pod *corev1.Pod) string {
	var answer []string
	for _, level := range []api.Level{api.LevelBaseline, api.LevelRestricted} {
		for i, version := range versions {
			failing := failing(evaluator, api.LevelVersion{Level: level, Version: version}, pod)
			part := fmt.Sprintf("%s/%s:%s", level, version, failing)
			if i == 0 || !strings.HasSuffix(answer[len(answer)-1], ":"+failing) {
				answer = append(answer, part)
			}
		}
	}
	return strings.Join(answer, " ")
}

func failing(evaluator policy.Evaluator, at api.LevelVersion, pod *corev1.Pod) string {
	var names []string
	for _, result := range evaluator.EvaluatePod(at, &pod.ObjectMeta, &pod.Spec) {
		if !result.Allowed {
			names = append(names, result.ForbiddenReason)
		}
	}
	return strings.Join(names, ",")
}
