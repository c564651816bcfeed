import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import net.jpountz.lz4.LZ4Factory;
import net.jpountz.lz4.LZ4SafeDecompressor;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.Stores;

/**
 * The windowed join of a stream's topic as one would write it with Kafka Streams: spans and samples of a workload folded into windows of 10 s by event
 * time, one result a window when it closes. Kind to Kafka Streams: what a record holds is folded before it meets the store, so that a chunk of 125 spans
 * is one update; only sums are kept, by metric and not by device; the spans themselves are not sent on.
 *
 * java WindowJoin.java brokers input output application guarantee
 */
public class WindowJoin {
  static final long WINDOW = 10_000;
  static final long GRACE = 5_000;

  /** Sums of one window: spans, their milliseconds, tokens in and out, and by metric the sum and number of its samples. */
  static class Figures {
    long spans, input, output;
    double duration;
    final Map<String, double[]> samples = new HashMap<>();

    Figures add(Figures other) {
      spans += other.spans;
      input += other.input;
      output += other.output;
      duration += other.duration;
      other.samples.forEach((name, sum) -> sample(name, sum[0], sum[1]));
      return this;
    }

    void sample(String name, double value, double count) {
      var sum = samples.computeIfAbsent(name, key -> new double[2]);
      sum[0] += value;
      sum[1] += count;
    }
  }

  static byte[] write(Figures figures) {
    int bytes = 36;
    for (var name : figures.samples.keySet()) bytes += 18 + 3 * name.length();
    var into = ByteBuffer.allocate(bytes);
    into.putLong(figures.spans).putLong(figures.input).putLong(figures.output).putDouble(figures.duration);
    into.putInt(figures.samples.size());
    figures.samples.forEach((name, sum) -> {
      var text = name.getBytes(StandardCharsets.UTF_8);
      into.putShort((short) text.length).put(text).putDouble(sum[0]).putDouble(sum[1]);
    });
    return java.util.Arrays.copyOf(into.array(), into.position());
  }

  static Figures read(byte[] bytes) {
    var from = ByteBuffer.wrap(bytes);
    var figures = new Figures();
    figures.spans = from.getLong();
    figures.input = from.getLong();
    figures.output = from.getLong();
    figures.duration = from.getDouble();
    for (int left = from.getInt(); left > 0; left--) {
      var text = new byte[from.getShort()];
      from.get(text);
      figures.samples.put(new String(text, StandardCharsets.UTF_8), new double[] {from.getDouble(), from.getDouble()});
    }
    return figures;
  }

  /** Protobuf fields of a message, one after the other; nothing is copied. */
  static class Fields {
    final byte[] bytes;
    final int end;
    int at, number, type, start, stop;
    long value;

    Fields(byte[] bytes, int start, int end) {
      this.bytes = bytes;
      this.at = start;
      this.end = end;
    }

    Fields inner() {
      return new Fields(bytes, start, stop);
    }

    boolean next() {
      if (at >= end) return false;
      long tag = varint();
      number = (int) (tag >>> 3);
      type = (int) tag & 7;
      switch (type) {
        case 0 -> value = varint();
        case 1 -> { value = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(at); at += 8; }
        case 2 -> { int length = (int) varint(); start = at; stop = at += length; }
        case 5 -> at += 4;
        default -> throw new IllegalArgumentException("wire type " + type);
      }
      return true;
    }

    long varint() {
      long result = 0;
      for (int shift = 0; ; shift += 7) {
        byte each = bytes[at++];
        result |= (long) (each & 127) << shift;
        if (each >= 0) return result;
      }
    }

    boolean is(String text) {
      if (stop - start != text.length()) return false;
      for (int i = 0; i < text.length(); i++) if (bytes[start + i] != text.charAt(i)) return false;
      return true;
    }
  }

  static Figures at(Map<Long, Figures> windows, long nanos) {
    long millis = nanos / 1_000_000;
    return windows.computeIfAbsent(millis - millis % WINDOW, start -> new Figures());
  }

  static void span(Fields span, Map<Long, Figures> windows) {
    long begin = 0, end = 0, input = 0, output = 0;
    while (span.next()) {
      if (span.number == 7) begin = span.value;
      else if (span.number == 8) end = span.value;
      else if (span.number == 9) {
        var pair = span.inner();
        int which = 0;
        while (pair.next()) {
          if (pair.number == 1) which = pair.is("gen_ai.usage.input_tokens") ? 1 : pair.is("gen_ai.usage.output_tokens") ? 2 : 0;
          else if (pair.number == 2 && which > 0)
            for (var any = pair.inner(); any.next(); )
              if (any.number == 3 && which == 1) input = any.value;
              else if (any.number == 3) output = any.value;
        }
      }
    }
    var figures = at(windows, end);
    figures.spans++;
    figures.duration += (end - begin) / 1e6;
    figures.input += input;
    figures.output += output;
  }

  static void metric(Fields metric, Map<Long, Figures> windows) {
    String name = "";
    while (metric.next()) {
      if (metric.number == 1) name = new String(metric.bytes, metric.start, metric.stop - metric.start, StandardCharsets.UTF_8);
      else if (metric.number == 5 || metric.number == 7 || metric.number == 9)
        for (var data = metric.inner(); data.next(); ) {
          if (data.number != 1 || data.type != 2) continue;
          long time = 0;
          double value = 0;
          for (var point = data.inner(); point.next(); ) {
            if (point.number == 3) time = point.value;
            else if (metric.number == 9 ? point.number == 5 : point.number == 4) value = Double.longBitsToDouble(point.value);
            else if (metric.number != 9 && point.number == 6) value = point.value;
          }
          at(windows, time).sample(name, value, 1);
        }
    }
  }

  static class Fold extends ContextualFixedKeyProcessor<String, byte[], Figures> {
    @Override
    public void process(FixedKeyRecord<String, byte[]> record) {
      var head = record.headers().lastHeader("ai_factory.record");
      if (head == null || record.value() == null || record.value().length == 0) return;
      // 16 and 17: spans and samples that have a workload (processors/workload_join/kinds.ts).
      int kind = head.value()[1];
      if (kind != 16 && kind != 17) return;
      var value = record.headers().lastHeader("ai_factory.codec") == null ? record.value() : unpack(record.value());
      var windows = new HashMap<Long, Figures>();
      for (var request = new Fields(value, 0, value.length); request.next(); )
        for (var group = request.inner(); group.next(); )
          if (group.number == 2)
            for (var scope = group.inner(); scope.next(); )
              if (scope.number == 2 && kind == 16) span(scope.inner(), windows);
              else if (scope.number == 2) metric(scope.inner(), windows);
      windows.forEach((start, figures) -> context().forward(record.withValue(figures).withTimestamp(start)));
    }

    static final LZ4SafeDecompressor LZ4 = LZ4Factory.fastestInstance().safeDecompressor();

    /** Four bytes of length, little endian, and an LZ4 block. */
    static byte[] unpack(byte[] packed) {
      var plain = new byte[ByteBuffer.wrap(packed).order(ByteOrder.LITTLE_ENDIAN).getInt()];
      LZ4.decompress(packed, 4, packed.length - 4, plain, 0);
      return plain;
    }
  }

  public static void main(String[] args) throws Exception {
    Serializer<Figures> writes = (topic, figures) -> figures == null ? null : write(figures);
    Deserializer<Figures> reads = (topic, bytes) -> bytes == null ? null : read(bytes);
    Serde<Figures> serde = Serdes.serdeFrom(writes, reads);
    var retention = Duration.ofMillis(WINDOW + GRACE);
    var store = Materialized.<String, Figures>as(Stores.inMemoryWindowStore("windows", retention, Duration.ofMillis(WINDOW), false))
        .withKeySerde(Serdes.String()).withValueSerde(serde).withCachingDisabled();
    var builder = new StreamsBuilder();
    builder.stream(args[1], Consumed.with(Serdes.String(), Serdes.ByteArray()))
        .processValues(Fold::new)
        .groupByKey(Grouped.with(Serdes.String(), serde))
        .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMillis(WINDOW), Duration.ofMillis(GRACE)))
        .aggregate(Figures::new, (workload, part, sum) -> sum.add(part), store)
        .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()))
        .toStream((window, figures) -> window.key() + "@" + window.window().start())
        .to(args[2], Produced.with(Serdes.String(), serde));
    var config = new Properties();
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, args[3]);
    config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, args[4]);
    config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
    // As the gateway's commit_interval.
    config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 500);
    config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    config.put("auto.offset.reset", "earliest");
    config.put("state.dir", System.getProperty("java.io.tmpdir"));
    var streams = new KafkaStreams(builder.build(), config);
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }
}
