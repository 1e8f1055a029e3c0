/* libnvidia-ml.so.1 for tests: plays a trace, so that the real bindings can be asked what no GPU here could answer.
 *
 * NVML_STUB_TRACE names the trace, NVML_STUB_T0_NS the instant on CLOCK_MONOTONIC at which its time is 0. One statement
 * a line, times in seconds; a series is `t:value t:value …`, constant before the first and after the last point.
 *
 *   driver VERSION           what the driver says it is ("none": it does not); fields are numbered as that one does
 *   gpu UUID                 begins a GPU; what follows is about it
 *   architecture NUMBER      NVML's own, 9 (Hopper) where nothing is said
 *   linear NAME series       a value, straight between its points
 *   steps NAME series        a value, held from each point on
 *   energy PERIOD_S [NAME]   the counter is the integral of that series (power_w), renewed every PERIOD_S (0: always)
 *   own NAME                 so is field 191, which is refused without
 *   stall FROM TO            the counter stands still, and makes up for it after TO
 *   reset AT                 the counter begins again at 0
 *   process PID BYTES FROM TO
 *   xid AT CODE
 *   unsupported NAME         NVML_ERROR_NOT_SUPPORTED
 *   refusing NAME CODE       that code of NVML's
 *   whole NAME CODE          a batch of fields that holds this one is refused with that code
 *   typed NAME TYPE          the field's value has that type, it is an unsigned long long where nothing is said
 *   failing NAME FROM TO     NVML_ERROR_UNKNOWN
 *   lost AT                  NVML_ERROR_GPU_IS_LOST from then on
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OK = 0, INVALID = 2, UNSUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, TIMEOUT = 10, LOST = 15, UNKNOWN = 999 };
enum { MOST = 64, POINTS = 512 };

typedef struct { char name[40]; int linear, n; double t[POINTS], v[POINTS]; } Series;
typedef struct { double from, to, value; char name[40]; long id; } Span;
typedef struct { char name[40]; int code; } Code;
typedef struct Gpu {
  char uuid[96], counted[40], own[40];
  Series series[MOST];
  Span stalls[MOST], processes[MOST], failing[MOST], xids[MOST];
  Code refusing[MOST], whole[MOST], typed[MOST];
  int n_series, n_stalls, n_processes, n_failing, n_xids, n_refusing, n_whole, n_typed, xids_told, architecture;
  double period, reset, lost;
} Gpu;

static Gpu gpus[16];
static int n_gpus;
static double t0;
static char driver[40];

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9 - t0;
}

static Series *series_of(Gpu *gpu, const char *name) {
  for (int i = 0; i < gpu->n_series; i++)
    if (!strcmp(gpu->series[i].name, name)) return &gpu->series[i];
  return NULL;
}

static double at(const Series *s, double t) {
  if (t <= s->t[0]) return s->v[0];
  for (int i = 1; i < s->n; i++)
    if (t < s->t[i]) {
      if (!s->linear) return s->v[i - 1];
      return s->v[i - 1] + (s->v[i] - s->v[i - 1]) * (t - s->t[i - 1]) / (s->t[i] - s->t[i - 1]);
    }
  return s->v[s->n - 1];
}

static double integral(const Series *s, double until) { /* from 0; exact for both kinds of series */
  double sum = 0, from = 0;
  while (from < until) {
    double to = until;
    for (int i = 0; i < s->n; i++)
      if (s->t[i] > from && s->t[i] < to) to = s->t[i];
    double one = at(s, from + 1e-12), other = at(s, to - 1e-12);
    sum += (one + other) / 2 * (to - from);
    from = to;
  }
  return sum;
}

static void read_series(char *text, Series *out) {
  for (char *word = strtok(text, " \n"); word && out->n < POINTS; word = strtok(NULL, " \n"))
    if (sscanf(word, "%lf:%lf", &out->t[out->n], &out->v[out->n]) == 2) out->n++;
}

static int load(void) {
  const char *path = getenv("NVML_STUB_TRACE"), *start = getenv("NVML_STUB_T0_NS");
  FILE *file = path ? fopen(path, "r") : NULL;
  if (!file) return UNKNOWN;
  t0 = start ? atof(start) / 1e9 : 0;
  if (!start) t0 = now();
  n_gpus = 0;
  strcpy(driver, "580.126-stub");
  memset(gpus, 0, sizeof gpus);
  static char line[32768];
  Gpu *gpu = NULL;
  while (fgets(line, sizeof line, file)) {
    char verb[20] = "", name[96] = "";
    int used = 0;
    Span span = {0};
    Code code = {0};
    if (sscanf(line, "%19s %95s %n", verb, name, &used) < 2) continue;
    if (!strcmp(verb, "driver")) snprintf(driver, sizeof driver, "%.39s", name);
    if (!strcmp(verb, "gpu")) {
      gpu = &gpus[n_gpus++];
      strcpy(gpu->uuid, name);
      gpu->reset = gpu->lost = 1e18;
      gpu->architecture = 9;
      strcpy(gpu->counted, "power_w");
      continue;
    }
    if (!gpu) continue;
    if (!strcmp(verb, "linear") || !strcmp(verb, "steps")) {
      Series *s = &gpu->series[gpu->n_series++];
      strncpy(s->name, name, sizeof s->name - 1);
      s->linear = verb[0] == 'l';
      read_series(line + used, s);
    } else if (!strcmp(verb, "energy")) sscanf(line, "%*s %lf %39s", &gpu->period, gpu->counted);
    else if (!strcmp(verb, "own")) strncpy(gpu->own, name, sizeof gpu->own - 1);
    else if (!strcmp(verb, "architecture")) gpu->architecture = atoi(name);
    else if (!strcmp(verb, "reset")) gpu->reset = atof(name);
    else if (!strcmp(verb, "lost")) gpu->lost = atof(name);
    else if (!strcmp(verb, "unsupported") && sscanf(name, "%39s", code.name) == 1) {
      code.code = UNSUPPORTED;
      gpu->refusing[gpu->n_refusing++] = code;
    } else if (!strcmp(verb, "refusing") && sscanf(line, "%*s %39s %d", code.name, &code.code) == 2)
      gpu->refusing[gpu->n_refusing++] = code;
    else if (!strcmp(verb, "whole") && sscanf(line, "%*s %39s %d", code.name, &code.code) == 2)
      gpu->whole[gpu->n_whole++] = code;
    else if (!strcmp(verb, "typed") && sscanf(line, "%*s %39s %d", code.name, &code.code) == 2)
      gpu->typed[gpu->n_typed++] = code;
    else if (!strcmp(verb, "stall") && sscanf(line, "%*s %lf %lf", &span.from, &span.to) == 2)
      gpu->stalls[gpu->n_stalls++] = span;
    else if (!strcmp(verb, "process") && sscanf(line, "%*s %ld %lf %lf %lf", &span.id, &span.value, &span.from, &span.to) == 4)
      gpu->processes[gpu->n_processes++] = span;
    else if (!strcmp(verb, "failing") && sscanf(line, "%*s %39s %lf %lf", span.name, &span.from, &span.to) == 3)
      gpu->failing[gpu->n_failing++] = span;
    else if (!strcmp(verb, "xid") && sscanf(line, "%*s %lf %ld", &span.from, &span.id) == 2)
      gpu->xids[gpu->n_xids++] = span;
  }
  fclose(file);
  return OK;
}

static int code_of(const Code *codes, int n, const char *name, int otherwise) {
  for (int i = 0; i < n; i++)
    if (!strcmp(codes[i].name, name)) return codes[i].code;
  return otherwise;
}

static int refused(Gpu *gpu, const char *name) {
  double t = now();
  if (t >= gpu->lost) return LOST;
  int code = code_of(gpu->refusing, gpu->n_refusing, name, OK);
  if (code) return code;
  for (int i = 0; i < gpu->n_failing; i++)
    if (!strcmp(gpu->failing[i].name, name) && t >= gpu->failing[i].from && t < gpu->failing[i].to) return UNKNOWN;
  return OK;
}

static int value_of(Gpu *gpu, const char *name, double *out) {
  int code = refused(gpu, name);
  if (code) return code;
  Series *s = series_of(gpu, name);
  if (!s || !s->n) return UNSUPPORTED;
  *out = at(s, now());
  return OK;
}

static int energy_j(Gpu *gpu, const char *name, const char *counted, double *out) {
  int code = refused(gpu, name);
  Series *power = series_of(gpu, counted);
  if (code) return code;
  if (!power) return UNSUPPORTED;
  double t = now();
  for (int i = 0; i < gpu->n_stalls; i++)
    if (t >= gpu->stalls[i].from && t < gpu->stalls[i].to) t = gpu->stalls[i].from;
  if (gpu->period > 0) t = (double)(long)(t / gpu->period) * gpu->period;
  double since = t >= gpu->reset ? integral(power, gpu->reset) : -1000; /* joules since the driver was loaded */
  *out = integral(power, t) - since;
  return OK;
}

#define ASK(NAME, TYPE, FACTOR) { double v; int code = value_of(gpu, NAME, &v); if (!code) *out = (TYPE)(v * FACTOR); return code; }

int nvmlInitWithFlags(unsigned flags) { (void)flags; return load(); }
int nvmlInit_v2(void) { return load(); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) {
  return code == UNSUPPORTED ? "Not Supported" : code == INVALID ? "Invalid Argument" : code == LOST ? "GPU is lost"
    : code == NOT_FOUND ? "Not Found" : code == 22 ? "vGPU ECC is not supported" : code == 26 ? "Deprecated" : "Unknown Error";
}
int nvmlSystemGetDriverVersion(char *out, unsigned size) { snprintf(out, size, "%s", driver); return strcmp(driver, "none") ? OK : UNKNOWN; }
int nvmlSystemGetCudaDriverVersion_v2(int *out) { *out = 13000; return OK; }
int nvmlDeviceGetCount_v2(unsigned *out) { *out = n_gpus; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Gpu **out) { *out = &gpus[index]; return index < (unsigned)n_gpus ? refused(*out, "handle") : INVALID; }
int nvmlDeviceGetHandleByUUID(const char *uuid, Gpu **out) {
  for (int i = 0; i < n_gpus; i++)
    if (!strcmp(gpus[i].uuid, uuid)) { *out = &gpus[i]; return OK; }
  return NOT_FOUND;
}
int nvmlDeviceGetUUID(Gpu *gpu, char *out, unsigned size) { snprintf(out, size, "%s", gpu->uuid); return OK; }
int nvmlDeviceGetName(Gpu *gpu, char *out, unsigned size) { (void)gpu; snprintf(out, size, "Stub GPU, not NVIDIA's"); return OK; }
int nvmlDeviceGetPersistenceMode(Gpu *gpu, unsigned *out) ASK("persistence", unsigned, 1)
int nvmlDeviceGetComputeMode(Gpu *gpu, unsigned *out) ASK("compute_mode", unsigned, 1)
int nvmlDeviceGetMigMode(Gpu *gpu, unsigned *out, unsigned *pending) { double v; int code = value_of(gpu, "mig", &v); if (!code) *out = *pending = (unsigned)v; return code; }
int nvmlDeviceGetTotalEnergyConsumption(Gpu *gpu, unsigned long long *out) { double j; int code = energy_j(gpu, "energy_j", gpu->counted, &j); if (!code) *out = (unsigned long long)(j * 1e3); return code; }
int nvmlDeviceGetPowerUsage(Gpu *gpu, unsigned *out) ASK("power_average_w", unsigned, 1e3)
int nvmlDeviceGetPowerManagementLimit(Gpu *gpu, unsigned *out) ASK("power_limit_w", unsigned, 1e3)
int nvmlDeviceGetApplicationsClock(Gpu *gpu, int type, unsigned *out) { (void)type; ASK("application_sm_clock_hz", unsigned, 1e-6) }
int nvmlDeviceGetEnforcedPowerLimit(Gpu *gpu, unsigned *out) ASK("power_limit_w", unsigned, 1e3)
int nvmlDeviceGetClockInfo(Gpu *gpu, int type, unsigned *out) ASK(type == 1 ? "sm_clock_hz" : "memory_clock_hz", unsigned, 1e-6)
int nvmlDeviceGetMaxClockInfo(Gpu *gpu, int type, unsigned *out) ASK(type == 1 ? "max_sm_clock_hz" : "max_memory_clock_hz", unsigned, 1e-6)
int nvmlDeviceGetMemoryBusWidth(Gpu *gpu, unsigned *out) ASK("memory_bus_width_bits", unsigned, 1)
int nvmlDeviceGetArchitecture(Gpu *gpu, unsigned *out) { *out = gpu->architecture; return refused(gpu, "architecture"); }
int nvmlDeviceGetEccMode(Gpu *gpu, unsigned *out, unsigned *pending) { double v; int code = value_of(gpu, "ecc", &v); if (!code) *out = *pending = (unsigned)v; return code; }
int nvmlDeviceGetC2cModeInfoV(Gpu *gpu, unsigned *out) ASK("c2c", unsigned, 1)
typedef struct { unsigned version, sensor; int value; } Temperature;
int nvmlDeviceGetTemperatureV(Gpu *gpu, Temperature *asked) { int *out = &asked->value, code = refused(gpu, "temperature_v"); if (code) return code; ASK("temperature_c", int, 1) }
int nvmlDeviceGetTemperature(Gpu *gpu, int sensor, unsigned *out) { (void)sensor; ASK("temperature_c", unsigned, 1) }
int nvmlDeviceGetCurrentClocksEventReasons(Gpu *gpu, unsigned long long *out) ASK("clocks_event_bits", unsigned long long, 1)
int nvmlDeviceGetTotalEccErrors(Gpu *gpu, int kind, int counter, unsigned long long *out) { (void)counter; ASK(kind ? "ecc_uncorrected" : "ecc_corrected", unsigned long long, 1) }
int nvmlDeviceGetPcieThroughput(Gpu *gpu, int counter, unsigned *out) {
  struct timespec wait = {0, 20000000};
  nanosleep(&wait, NULL);
  ASK(counter ? "pcie_received_bytes_per_s" : "pcie_sent_bytes_per_s", unsigned, 1e-3)
}

typedef struct { unsigned gpu, memory; } Rates;
int nvmlDeviceGetUtilizationRates(Gpu *gpu, Rates *out) {
  double v;
  int code = value_of(gpu, "utilisation_ratio", &v);
  if (!code) out->gpu = out->memory = (unsigned)(v * 100 + 0.5);
  return code;
}

typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory;
int nvmlDeviceGetMemoryInfo_v2(Gpu *gpu, Memory *out) {
  double total, used;
  int code = value_of(gpu, "memory_total_bytes", &total);
  if (!code) code = value_of(gpu, "memory_used_bytes", &used);
  if (code) return code;
  out->total = (unsigned long long)total;
  out->used = (unsigned long long)used;
  out->reserved = 1 << 20;
  out->free = out->total - out->used - out->reserved;
  return OK;
}

typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } Process;
int nvmlDeviceGetComputeRunningProcesses_v3(Gpu *gpu, unsigned *count, Process *out) {
  unsigned n = 0, room = *count;
  double t = now();
  int code = refused(gpu, "processes");
  if (code) return code;
  for (int i = 0; i < gpu->n_processes; i++) {
    Span *one = &gpu->processes[i];
    if (t < one->from || t >= one->to) continue;
    if (out && n < room) out[n] = (Process){(unsigned)one->id, (unsigned long long)one->value, ~0u, ~0u};
    n++;
  }
  *count = n;
  return n > room || (n && !out) ? TOO_SMALL : OK;
}

typedef struct { uint32_t field, scope; int64_t stamp, latency; int type, code; union { double d; unsigned u; unsigned long long ull; unsigned short us; } value; } FieldValue;

static int first_counter(void) { /* of the clock events: its number was changed in the middle of branch 580 */
  int major = 0, minor = 0;
  sscanf(driver, "%d.%d", &major, &minor);
  return major < 575 ? 0 : major < 580 || (major == 580 && minor < 82) ? 251 : 269;
}

static const char *name_of(const FieldValue *one, double *factor) {
  static const char *counters[] = {"throttled_sw_thermal_s", "throttled_hw_thermal_s", "throttled_hw_brake_s"};
  int first = first_counter(), place = (int)one->field - first;
  *factor = 1e9;
  if (first && place >= 0 && place < 3) return counters[place];
  switch (one->field) {
    case 186: *factor = 1e3; return one->scope ? "module_power_w" : "power_w_field";
    case 191: *factor = 1e3; return "own_energy_j";
    case 74: return "throttled_power_s";
    case 75: return "throttled_thermal_s";
    case 82: *factor = 1; return "memory_temperature_c";
    case 138: *factor = 1.0 / 1024; return "nvlink_sent_bytes";
  }
  *factor = 1;
  return first && one->field >= 251 && one->field <= 271 ? "power_smoothing" : "";
}

static void answer(Gpu *gpu, FieldValue *out) {
  double v = 0, factor;
  const char *name = name_of(out, &factor);
  out->type = code_of(gpu->typed, gpu->n_typed, name, 3); /* unsigned long long */
  if (!strcmp(name, "power_smoothing")) { /* a preset, a share of power, a rate: no times */
    *out = (FieldValue){out->field, out->scope, 0, 0, 1, OK, {.u = 1000000 + out->field}};
    return;
  }
  if (!strcmp(name, "own_energy_j")) out->code = energy_j(gpu, name, gpu->own, &v);
  else if (!strcmp(name, "power_w_field")) out->code = refused(gpu, name) ? refused(gpu, name) : value_of(gpu, "power_w", &v);
  else out->code = value_of(gpu, name, &v);
  if (out->type == 6) out->value.us = (unsigned short)(v * factor);
  else out->value.ull = (unsigned long long)(v * factor);
}

int nvmlDeviceGetFieldValues(Gpu *gpu, int n, FieldValue *out) {
  double factor;
  if (now() >= gpu->lost) return LOST;
  for (int i = 0; i < n; i++) {
    int code = code_of(gpu->whole, gpu->n_whole, name_of(&out[i], &factor), OK);
    if (code) return code;
  }
  for (int i = 0; i < n; i++) answer(gpu, &out[i]);
  return OK;
}

typedef struct { unsigned version, supported; } Support;
typedef struct { unsigned id; int code; double value; char *names[3]; } GpmMetric;
typedef struct { unsigned version, n; void *one, *other; GpmMetric metrics[477]; } GpmGet;
static Gpu *sampled;
int nvmlGpmQueryDeviceSupport(Gpu *gpu, Support *out) { out->supported = series_of(gpu, "sm_active_ratio") != NULL; return OK; }
int nvmlGpmSampleAlloc(void **out) { *out = malloc(8); return OK; }
int nvmlGpmSampleFree(void *sample) { free(sample); return OK; }
int nvmlGpmSampleGet(Gpu *gpu, void *sample) { (void)sample; sampled = gpu; return refused(gpu, "gpm"); }
int nvmlGpmMetricsGet(GpmGet *asked) {
  for (unsigned i = 0; i < asked->n; i++) {
    unsigned id = asked->metrics[i].id;
    const char *name = "gpm_graphics_ratio";
    double factor = 100;
    switch (id) {
      case 2: name = "sm_active_ratio"; break;
      case 5: name = "tensor_active_ratio"; break;
      case 10: name = "dram_active_ratio"; break;
      case 20: name = "gpm_pcie_sent_bytes_per_s"; break;
      case 21: name = "gpm_pcie_received_bytes_per_s"; break;
      case 60: name = "nvlink_received_bytes_per_s"; break;
      case 61: name = "nvlink_sent_bytes_per_s"; break;
    }
    if (id >= 20) factor = 1.0 / (1 << 20);
    double v = 0;
    asked->metrics[i].code = value_of(sampled, name, &v);
    asked->metrics[i].value = v * factor;
  }
  return OK;
}

typedef struct { Gpu *gpu; unsigned long long type, data; unsigned gpu_instance, compute_instance; } Event;
typedef struct { Gpu *gpus[16]; int n; } EventSet;
int nvmlEventSetCreate(EventSet **out) { *out = calloc(1, sizeof **out); return OK; }
int nvmlEventSetFree(EventSet *set) { free(set); return OK; }
int nvmlDeviceRegisterEvents(Gpu *gpu, unsigned long long types, EventSet *set) {
  (void)types;
  set->gpus[set->n++] = gpu;
  return refused(gpu, "xid");
}
int nvmlEventSetWait_v2(EventSet *set, Event *out, unsigned timeout_ms) {
  (void)timeout_ms;
  for (int i = 0; i < set->n; i++) {
    Gpu *gpu = set->gpus[i];
    if (gpu->xids_told < gpu->n_xids && now() >= gpu->xids[gpu->xids_told].from) {
      *out = (Event){gpu, 8, (unsigned long long)gpu->xids[gpu->xids_told++].id, ~0u, ~0u};
      return OK;
    }
    int code = refused(gpu, "xid_wait");
    if (code) return code;
  }
  return TIMEOUT;
}
