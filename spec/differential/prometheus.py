"""Reads Prometheus' text format from stdin with the official client library; prints a line for
each sample: type, name, labels in order, value."""

import sys

from prometheus_client.parser import text_string_to_metric_families

for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        labels = [f"{key}={value}" for key, value in sorted(sample.labels.items())]
        line = " ".join([family.type, sample.name, *labels, str(sample.value)])
        print(line.replace("\n", "<LF>"))
