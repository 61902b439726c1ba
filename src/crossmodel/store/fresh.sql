CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE checkpoints (
	size BIGINT NOT NULL, 
	root BLOB NOT NULL, 
	note TEXT NOT NULL, 
	CONSTRAINT pk_checkpoints PRIMARY KEY (size)
);

CREATE TABLE insights (
	seq INTEGER NOT NULL, 
	tenant TEXT NOT NULL, 
	id TEXT NOT NULL, 
	content BLOB NOT NULL, 
	insight_type TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	scope BLOB NOT NULL, 
	source_model TEXT NOT NULL, 
	confidence_score FLOAT NOT NULL, 
	validation_status TEXT NOT NULL, 
	extraction_timestamp BIGINT NOT NULL, 
	metadata TEXT NOT NULL, trust FLOAT DEFAULT '0.5' NOT NULL, standing TEXT DEFAULT 'active' NOT NULL, standing_reason BLOB DEFAULT (X'') NOT NULL, 
	CONSTRAINT pk_insights PRIMARY KEY (seq), 
	CONSTRAINT uq_insights_tenant_id UNIQUE (tenant, id)
);

CREATE TABLE log_leaves (
	"index" BIGINT NOT NULL, 
	payload_type TEXT NOT NULL, 
	statement BLOB NOT NULL, 
	leaf_hash BLOB NOT NULL, tenant TEXT DEFAULT '' NOT NULL, about TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_log_leaves PRIMARY KEY ("index")
);

CREATE TABLE log_nodes (
	level INTEGER NOT NULL, 
	"index" BIGINT NOT NULL, 
	hash BLOB NOT NULL, 
	CONSTRAINT pk_log_nodes PRIMARY KEY (level, "index")
);

CREATE TABLE models (
	id TEXT NOT NULL, 
	spec TEXT NOT NULL, 
	CONSTRAINT pk_models PRIMARY KEY (id)
);

CREATE TABLE outcomes (
	seq INTEGER NOT NULL, 
	tenant TEXT NOT NULL, 
	request_id TEXT NOT NULL, 
	model_id TEXT NOT NULL, 
	success BOOLEAN NOT NULL, 
	score FLOAT, 
	latency_ms FLOAT, 
	cost_usd FLOAT, 
	recorded_at BIGINT NOT NULL, 
	source TEXT NOT NULL, served_model TEXT, price_version TEXT, "key" TEXT, 
	CONSTRAINT pk_outcomes PRIMARY KEY (seq)
);

CREATE INDEX ix_outcomes_recorded_at ON outcomes (recorded_at);

CREATE INDEX ix_outcomes_tenant_request_id ON outcomes (tenant, request_id);

CREATE TABLE selections (
	tenant TEXT NOT NULL, 
	request_id TEXT NOT NULL, 
	model_id TEXT NOT NULL, 
	suitability_score FLOAT NOT NULL, 
	alternatives TEXT NOT NULL, 
	requirement TEXT NOT NULL, 
	selected_at BIGINT NOT NULL, 
	latency_ms FLOAT NOT NULL, propensity FLOAT, 
	CONSTRAINT pk_selections PRIMARY KEY (tenant, request_id)
);

CREATE TABLE sources (
	tenant TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	text BLOB NOT NULL, 
	source_model TEXT NOT NULL, 
	origin BLOB NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_sources PRIMARY KEY (tenant, sha256)
);

CREATE TABLE transfers (
	tenant TEXT NOT NULL, 
	request_id TEXT NOT NULL, 
	target_model TEXT NOT NULL, 
	protocol TEXT NOT NULL, 
	success BOOLEAN NOT NULL, 
	insight_ids TEXT NOT NULL, 
	quality_score FLOAT NOT NULL, 
	tokens BIGINT NOT NULL, 
	context_digest TEXT NOT NULL, 
	transferred_at BIGINT NOT NULL, 
	error BLOB, arm TEXT DEFAULT 'insights' NOT NULL, task_type TEXT DEFAULT '' NOT NULL, propensity FLOAT DEFAULT '1.0' NOT NULL, relevance FLOAT, 
	CONSTRAINT pk_transfers PRIMARY KEY (tenant, request_id)
);

CREATE TABLE insight_evidence (
	insight_seq INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	start BIGINT NOT NULL, 
	"end" BIGINT NOT NULL, 
	source_sha256 TEXT NOT NULL, 
	CONSTRAINT pk_insight_evidence PRIMARY KEY (insight_seq, position), 
	CONSTRAINT fk_insight_evidence_insight_seq FOREIGN KEY(insight_seq) REFERENCES insights (seq)
);

CREATE TABLE insight_links (
	insight_seq INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	target_id TEXT NOT NULL, 
	CONSTRAINT pk_insight_links PRIMARY KEY (insight_seq, position), 
	CONSTRAINT fk_insight_links_insight_seq FOREIGN KEY(insight_seq) REFERENCES insights (seq)
);

CREATE TABLE insight_keys (
	tenant TEXT NOT NULL, 
	"key" BIGINT NOT NULL, 
	insight_seq INTEGER NOT NULL, 
	CONSTRAINT pk_insight_keys PRIMARY KEY (tenant, "key", insight_seq), 
	CONSTRAINT fk_insight_keys_insight_seq FOREIGN KEY(insight_seq) REFERENCES insights (seq)
)
 WITHOUT ROWID

;

CREATE TABLE insight_vectors (
	insight_seq INTEGER NOT NULL, 
	tenant TEXT NOT NULL, 
	embedder TEXT NOT NULL, 
	vector BLOB NOT NULL, 
	CONSTRAINT pk_insight_vectors PRIMARY KEY (insight_seq), 
	CONSTRAINT fk_insight_vectors_insight_seq FOREIGN KEY(insight_seq) REFERENCES insights (seq)
);

CREATE INDEX ix_insight_vectors_tenant_embedder_insight_seq ON insight_vectors (tenant, embedder, insight_seq);

CREATE TABLE uplift (
	tenant TEXT NOT NULL, 
	unit TEXT NOT NULL, 
	target_model TEXT NOT NULL, 
	task_type TEXT NOT NULL, 
	arm TEXT NOT NULL, 
	n BIGINT NOT NULL, 
	total FLOAT NOT NULL, 
	squares FLOAT NOT NULL, 
	CONSTRAINT pk_uplift PRIMARY KEY (tenant, unit, target_model, task_type, arm)
);

CREATE TABLE playbook_items (
	tenant TEXT NOT NULL, 
	topic TEXT NOT NULL, 
	item INTEGER NOT NULL, 
	insight_id TEXT NOT NULL, 
	retired TEXT NOT NULL, 
	CONSTRAINT pk_playbook_items PRIMARY KEY (tenant, topic, item), 
	CONSTRAINT uq_playbook_items_tenant_topic_insight_id UNIQUE (tenant, topic, insight_id)
);

CREATE VIRTUAL TABLE insights_fts USING fts5(content, scope, tokenize = 'ascii');

CREATE TABLE log_signatures (
	leaf BIGINT NOT NULL, 
	key_id TEXT NOT NULL, 
	signature BLOB NOT NULL, 
	CONSTRAINT pk_log_signatures PRIMARY KEY (leaf, key_id)
);

CREATE TABLE commitments (
	leaf BIGINT NOT NULL, 
	position INTEGER NOT NULL, 
	digest TEXT NOT NULL, 
	salt BLOB NOT NULL, 
	value BLOB NOT NULL, 
	tenant TEXT NOT NULL, 
	CONSTRAINT pk_commitments_by_leaf PRIMARY KEY (leaf, position)
);

CREATE INDEX ix_log_leaves_about_tenant ON log_leaves (about, tenant);

CREATE TABLE snapshots (
	sha256 TEXT NOT NULL, 
	body BLOB NOT NULL, 
	CONSTRAINT pk_snapshots PRIMARY KEY (sha256)
);

CREATE TABLE reliability (
	tenant TEXT NOT NULL, 
	source_model TEXT NOT NULL, 
	day DATE NOT NULL, 
	bin INTEGER NOT NULL, 
	n BIGINT NOT NULL, 
	confidence FLOAT NOT NULL, 
	correct FLOAT NOT NULL, 
	CONSTRAINT pk_reliability PRIMARY KEY (tenant, source_model, day, bin)
);

CREATE TABLE judgements (
	tenant TEXT NOT NULL, 
	insight_id TEXT NOT NULL, 
	correct BOOLEAN NOT NULL, 
	source TEXT NOT NULL, 
	day DATE NOT NULL, 
	CONSTRAINT pk_judgements PRIMARY KEY (tenant, insight_id)
);

CREATE TABLE marks (
	name TEXT NOT NULL, 
	value BIGINT NOT NULL, 
	CONSTRAINT pk_marks PRIMARY KEY (name)
);

CREATE INDEX ix_sources_created_at ON sources (created_at);

CREATE INDEX ix_insight_evidence_source_sha256 ON insight_evidence (source_sha256);

CREATE TABLE log_spools (
	producer TEXT NOT NULL, 
	segment BIGINT NOT NULL, 
	"offset" BIGINT NOT NULL, 
	CONSTRAINT pk_log_spools PRIMARY KEY (producer)
);

CREATE TABLE spending (
	day INTEGER NOT NULL, 
	tenant TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	usd FLOAT NOT NULL, 
	CONSTRAINT pk_spending PRIMARY KEY (day, tenant, "key")
);

CREATE TABLE client_keys (
	name TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	tenant TEXT NOT NULL, 
	models TEXT NOT NULL, 
	requests_per_minute BIGINT, 
	tokens_per_minute BIGINT, 
	burst BIGINT, 
	concurrent BIGINT, 
	daily_budget FLOAT, 
	monthly_budget FLOAT, 
	expires_at BIGINT, 
	created_at BIGINT NOT NULL, 
	revoked_at BIGINT, 
	CONSTRAINT pk_client_keys PRIMARY KEY (name), 
	CONSTRAINT uq_client_keys_digest UNIQUE (digest)
);

CREATE TABLE traffic (
	tenant TEXT NOT NULL, 
	span INTEGER NOT NULL, 
	start BIGINT NOT NULL, 
	model_id TEXT NOT NULL, 
	requests BIGINT NOT NULL, 
	errors BIGINT NOT NULL, 
	cached BIGINT NOT NULL, 
	streams BIGINT NOT NULL, 
	uncounted BIGINT NOT NULL, 
	input_tokens BIGINT NOT NULL, 
	output_tokens BIGINT NOT NULL, 
	cost_nano BIGINT NOT NULL, 
	baseline_nano BIGINT NOT NULL, 
	scores BIGINT NOT NULL, 
	score_nano BIGINT NOT NULL, 
	selection_us BIGINT NOT NULL, 
	suitability_nano BIGINT NOT NULL, 
	extractions BIGINT NOT NULL, 
	extraction_us BIGINT NOT NULL, 
	insights BIGINT NOT NULL, 
	confidence_nano BIGINT NOT NULL, 
	transfers BIGINT NOT NULL, 
	transferred BIGINT NOT NULL, 
	withheld BIGINT NOT NULL, 
	handed_over BIGINT NOT NULL, 
	handed_tokens BIGINT NOT NULL, 
	quality_nano BIGINT NOT NULL, 
	latency_00 BIGINT NOT NULL, 
	latency_01 BIGINT NOT NULL, 
	latency_02 BIGINT NOT NULL, 
	latency_03 BIGINT NOT NULL, 
	latency_04 BIGINT NOT NULL, 
	latency_05 BIGINT NOT NULL, 
	latency_06 BIGINT NOT NULL, 
	latency_07 BIGINT NOT NULL, 
	latency_08 BIGINT NOT NULL, 
	latency_09 BIGINT NOT NULL, 
	latency_10 BIGINT NOT NULL, 
	latency_11 BIGINT NOT NULL, 
	latency_12 BIGINT NOT NULL, 
	latency_13 BIGINT NOT NULL, 
	latency_14 BIGINT NOT NULL, 
	latency_15 BIGINT NOT NULL, 
	latency_16 BIGINT NOT NULL, 
	latency_17 BIGINT NOT NULL, 
	latency_18 BIGINT NOT NULL, 
	latency_19 BIGINT NOT NULL, 
	latency_20 BIGINT NOT NULL, 
	latency_21 BIGINT NOT NULL, 
	latency_22 BIGINT NOT NULL, 
	latency_23 BIGINT NOT NULL, 
	latency_24 BIGINT NOT NULL, 
	latency_25 BIGINT NOT NULL, 
	latency_26 BIGINT NOT NULL, 
	latency_27 BIGINT NOT NULL, 
	latency_28 BIGINT NOT NULL, 
	latency_29 BIGINT NOT NULL, 
	latency_30 BIGINT NOT NULL, 
	latency_31 BIGINT NOT NULL, 
	latency_32 BIGINT NOT NULL, 
	latency_33 BIGINT NOT NULL, 
	latency_34 BIGINT NOT NULL, 
	latency_35 BIGINT NOT NULL, 
	latency_36 BIGINT NOT NULL, 
	latency_37 BIGINT NOT NULL, 
	latency_38 BIGINT NOT NULL, 
	latency_39 BIGINT NOT NULL, 
	latency_40 BIGINT NOT NULL, 
	latency_41 BIGINT NOT NULL, 
	latency_42 BIGINT NOT NULL, 
	latency_43 BIGINT NOT NULL, 
	latency_44 BIGINT NOT NULL, 
	latency_45 BIGINT NOT NULL, 
	latency_46 BIGINT NOT NULL, 
	latency_47 BIGINT NOT NULL, 
	latency_48 BIGINT NOT NULL, 
	latency_49 BIGINT NOT NULL, 
	latency_50 BIGINT NOT NULL, 
	latency_51 BIGINT NOT NULL, 
	latency_52 BIGINT NOT NULL, 
	latency_53 BIGINT NOT NULL, 
	latency_54 BIGINT NOT NULL, 
	latency_55 BIGINT NOT NULL, 
	latency_56 BIGINT NOT NULL, 
	latency_57 BIGINT NOT NULL, 
	latency_58 BIGINT NOT NULL, 
	latency_59 BIGINT NOT NULL, 
	latency_60 BIGINT NOT NULL, 
	latency_61 BIGINT NOT NULL, 
	latency_62 BIGINT NOT NULL, 
	latency_63 BIGINT NOT NULL, 
	latency_64 BIGINT NOT NULL, 
	latency_65 BIGINT NOT NULL, 
	latency_66 BIGINT NOT NULL, 
	latency_67 BIGINT NOT NULL, 
	latency_68 BIGINT NOT NULL, 
	latency_69 BIGINT NOT NULL, 
	latency_70 BIGINT NOT NULL, 
	latency_71 BIGINT NOT NULL, 
	latency_72 BIGINT NOT NULL, 
	latency_73 BIGINT NOT NULL, 
	latency_74 BIGINT NOT NULL, 
	latency_75 BIGINT NOT NULL, 
	latency_76 BIGINT NOT NULL, 
	latency_77 BIGINT NOT NULL, 
	latency_78 BIGINT NOT NULL, 
	latency_79 BIGINT NOT NULL, 
	CONSTRAINT pk_traffic PRIMARY KEY (tenant, span, start, model_id)
)
 WITHOUT ROWID

;

CREATE INDEX ix_traffic_span_start ON traffic (span, start);

CREATE TABLE alerts (
	id TEXT NOT NULL, 
	instance TEXT NOT NULL, 
	"check" TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	severity TEXT NOT NULL, 
	message TEXT NOT NULL, 
	state TEXT NOT NULL, 
	opened_at BIGINT NOT NULL, 
	changed_at BIGINT NOT NULL, 
	resolved_at BIGINT, 
	told TEXT, 
	told_at BIGINT, 
	reminders INTEGER NOT NULL, 
	CONSTRAINT pk_alerts PRIMARY KEY (id)
);

CREATE INDEX ix_alerts_opened_at ON alerts (opened_at);

CREATE INDEX ix_alerts_state_opened_at ON alerts (state, opened_at);

CREATE TABLE alert_silences (
	id TEXT NOT NULL, 
	"check" TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	severity TEXT NOT NULL, 
	until BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_alert_silences PRIMARY KEY (id)
);

CREATE INDEX ix_alert_silences_until ON alert_silences (until);

CREATE TABLE alert_notifications (
	id TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	severity TEXT NOT NULL, 
	title TEXT NOT NULL, 
	body BLOB NOT NULL, 
	CONSTRAINT pk_alert_notifications PRIMARY KEY (id)
);

CREATE INDEX ix_alert_notifications_created_at ON alert_notifications (created_at);

CREATE TABLE alert_deliveries (
	notification_id TEXT NOT NULL, 
	sink TEXT NOT NULL, 
	state TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	due_at BIGINT NOT NULL, 
	settled_at BIGINT, 
	error TEXT NOT NULL, 
	CONSTRAINT pk_alert_deliveries PRIMARY KEY (notification_id, sink), 
	CONSTRAINT fk_alert_deliveries_notification_id FOREIGN KEY(notification_id) REFERENCES alert_notifications (id) ON DELETE CASCADE
);

CREATE INDEX ix_alert_deliveries_state_sink_notification_id ON alert_deliveries (state, sink, notification_id);

CREATE INDEX ix_insights_tenant_seq ON insights (tenant, seq);

CREATE INDEX ix_insights_tenant_standing_seq ON insights (tenant, standing, seq) WHERE standing <> 'active';

CREATE TABLE log_signer (
	id INTEGER NOT NULL, 
	holder TEXT NOT NULL, 
	token BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	CONSTRAINT pk_log_signer PRIMARY KEY (id)
);

CREATE TABLE budget_periods (
	budget TEXT NOT NULL, 
	period TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	committed BIGINT NOT NULL, 
	CONSTRAINT pk_budget_periods PRIMARY KEY (budget, period, scope, owner)
);

CREATE TABLE budget_leases (
	budget TEXT NOT NULL, 
	period TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	holder TEXT NOT NULL, 
	granted BIGINT NOT NULL, 
	CONSTRAINT pk_budget_leases PRIMARY KEY (budget, period, scope, owner, holder)
);

CREATE INDEX ix_budget_leases_holder ON budget_leases (holder);

CREATE TABLE rate_buckets (
	"key" TEXT NOT NULL, 
	what TEXT NOT NULL, 
	units FLOAT NOT NULL, 
	at FLOAT NOT NULL, 
	CONSTRAINT pk_rate_buckets PRIMARY KEY ("key", what)
);

CREATE TABLE rate_leases (
	"key" TEXT NOT NULL, 
	what TEXT NOT NULL, 
	holder TEXT NOT NULL, 
	held FLOAT NOT NULL, 
	used FLOAT NOT NULL, 
	ends_at FLOAT NOT NULL, 
	CONSTRAINT pk_rate_leases PRIMARY KEY ("key", what, holder)
);

CREATE INDEX ix_rate_leases_holder ON rate_leases (holder);

INSERT INTO alembic_version (version_num) VALUES ('0015');

