"""The reference's troubleshooting snippets, which users copy, work as they stand."""

from crossmodel.domain.config import InsightExtractorConfig
from crossmodel.domain.insight import Insight
from crossmodel.extraction import ExtractionPattern, InsightExtractor

PARAGRAPH = "Ticket codes must always start with the prefix of team {}. Example: a -> RF-{}\n\n"
LONG = "".join(PARAGRAPH.format(number, number) for number in range(200))


class OptimizedInsightExtractor(InsightExtractor):
    def __init__(self, config):
        super().__init__(config)
        self.parallel_extraction = True
        self.max_workers = 4

    def extract_insights(self, model_output, source_model, extraction_context):
        if len(model_output) > 10000:
            return self._parallel_extraction(model_output, source_model, extraction_context)
        return super().extract_insights(model_output, source_model, extraction_context)

    def _parallel_extraction(self, model_output, source_model, extraction_context):
        from concurrent.futures import ThreadPoolExecutor

        insights = []
        with ThreadPoolExecutor(max_workers=self.max_workers) as executor:
            futures = []
            for pattern_name, pattern in self.extraction_patterns.items():
                future = executor.submit(pattern.extract, model_output, extraction_context)
                futures.append((pattern_name, future))
            for pattern_name, future in futures:
                try:
                    insights.extend(future.result(timeout=30))
                except Exception as error:  # noqa: BLE001 - the snippet's own
                    self._log_extraction_error(pattern_name, error)
        return insights


class CustomExtractionPattern(ExtractionPattern):
    def extract(self, text, context):
        return [Insight(content="prefix of team 7")] if "prefix of team 7" in text else []


class Failing(ExtractionPattern):
    def extract(self, text, context):
        raise OSError("gone")


def test_extraction_in_threads_gives_what_the_plain_one_gives():
    config = InsightExtractorConfig(max_insights_per_extraction=1000)
    assert len(LONG) > 10000
    plain = InsightExtractor(config).extract(LONG, "big")
    parallel = OptimizedInsightExtractor(config).extract(LONG, "big")
    assert sorted(i.id for i in parallel.insights) == sorted(i.id for i in plain.insights)
    assert len(plain.insights) == 400
    assert {i.source_model for i in parallel.insights} == {"big"}
    assert {i.validation_status for i in parallel.insights} == {"valid"}


def test_errors_in_threads_are_counted_for_the_extraction_that_they_cost():
    extractor = OptimizedInsightExtractor(InsightExtractorConfig())
    extractor.register_extraction_pattern("failing", Failing())
    gone = {"failing": "OSError: gone"}
    assert extractor.extract(LONG, "big").errors == gone
    assert extractor.extract("Codes must be short.", "big").errors == gone
    raw = extractor.extract_insights(LONG, "big", {})
    assert raw
    assert extractor.get_extraction_statistics().pattern_errors == {"failing": 3}


def test_a_custom_pattern_with_nothing_but_extract():
    extractor = InsightExtractor(InsightExtractorConfig(max_insights_per_extraction=0))
    extractor.register_extraction_pattern("custom_pattern", CustomExtractionPattern())
    insights = extractor.extract_insights(LONG, "big", {})
    assert "prefix of team 7" in {i.content for i in insights}


def test_duplicates_are_configured_as_the_guide_says():
    config = InsightExtractorConfig(
        remove_duplicates=True, max_insights_per_extraction=20, similarity_threshold=0.8
    )
    assert len(InsightExtractor(config).extract_insights(LONG, "big", {})) == 20
